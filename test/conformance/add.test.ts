import { conformance } from './support.js';

conformance('add');
