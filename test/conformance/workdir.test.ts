import { conformance } from './support.js';

conformance('workdir');
