import { conformance } from './support.js';

conformance('onbuild');
