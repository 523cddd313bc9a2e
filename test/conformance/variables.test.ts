import { conformance } from './support.js';

conformance('variables');
