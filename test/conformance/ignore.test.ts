import { conformance } from './support.js';

conformance('ignore');
