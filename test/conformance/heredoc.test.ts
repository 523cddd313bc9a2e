import { conformance } from './support.js';

conformance('heredoc');
