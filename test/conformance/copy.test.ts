import { conformance } from './support.js';

conformance('copy');
