/** A module of its own, because it has to run before undici is loaded. */
import { deferWebAssembly } from '../v8-flags.js';

deferWebAssembly();
