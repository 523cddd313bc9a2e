import { conformance } from './support.js';

conformance('config');
