import { conformance } from './support.js';

conformance('from');
