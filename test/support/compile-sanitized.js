// Compiles wiac-sys with AddressSanitizer and UndefinedBehaviorSanitizer: `node compile-sanitized.js TO`.
import { compile } from '../../compile-native.js';

const SANITIZERS = ['-g', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'];
if (!compile('cc', process.argv[2], SANITIZERS)) throw new Error('there is no cc');
