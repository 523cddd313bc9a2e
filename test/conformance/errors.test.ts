import { conformance } from './support.js';

conformance('errors');
