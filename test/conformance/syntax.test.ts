import { conformance } from './support.js';

conformance('syntax');
