import { greet } from './greet.mjs';

console.log(greet('container'));
