import { conformance } from './support.js';

conformance('mounts');
