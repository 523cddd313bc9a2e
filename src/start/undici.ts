/** The file undici.cjs: the package, with its parser compiled as compile-parser.ts says. */
import './compile-parser.js';

export * from 'undici';
