import { conformance } from './support.js';

conformance('run');
