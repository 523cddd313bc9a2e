/** Functions on numbers and truth values. */
import { CallError } from '../evaluate.js';
import { isSame } from '../hcl-value.js';
import type { Functions } from './arguments-of-call.js';
import { fn } from './arguments-of-call.js';

function parseInteger(text: string, base: number): number {
  if (base < 2 || base > 62) throw new CallError('the base is 2 to 62');
  const digits = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
  // Up to base 36 case makes no difference.
  const [, sign, figures = ''] =
    /^([+-]?)(.+)$/s.exec(base <= 36 ? text.toLowerCase() : text) ?? [];
  let number = 0;
  for (const figure of figures) {
    const worth = digits.indexOf(figure);
    if (worth === -1 || worth >= base)
      throw new CallError(`${JSON.stringify(text)} is no number of base ${base}`);
    number = number * base + worth;
  }
  if (figures === '') throw new CallError('an empty string is no number');
  return sign === '-' ? -number : number;
}

function finite(number: number): number {
  if (!Number.isFinite(number)) throw new CallError('the result is no number');
  return number;
}

export const NUMBER_FUNCTIONS: Functions = {
  absolute: fn(1, ({ number }) => Math.abs(number(0))),
  add: fn(2, ({ number }) => number(0) + number(1)),
  subtract: fn(2, ({ number }) => number(0) - number(1)),
  multiply: fn(2, ({ number }) => number(0) * number(1)),
  divide: fn(2, ({ number }) => finite(number(0) / number(1))),
  modulo: fn(2, ({ number }) => finite(number(0) % number(1))),
  negate: fn(1, ({ number }) => -number(0)),
  ceil: fn(1, ({ number }) => Math.ceil(number(0))),
  floor: fn(1, ({ number }) => Math.floor(number(0))),
  int: fn(1, ({ number }) => Math.trunc(number(0))),
  log: fn(2, ({ number }) => finite(Math.log(number(0)) / Math.log(number(1)))),
  pow: fn(2, ({ number }) => finite(number(0) ** number(1))),
  signum: fn(1, ({ number }) => Math.sign(number(0))),
  max: fn(1, ({ all, number }) => Math.max(...all.map((_, at) => number(at))), Infinity),
  min: fn(1, ({ all, number }) => Math.min(...all.map((_, at) => number(at))), Infinity),
  parseint: fn(2, ({ text, integer }) => parseInteger(text(0), integer(1))),
  greaterthan: fn(2, ({ number }) => number(0) > number(1)),
  greaterthanorequalto: fn(2, ({ number }) => number(0) >= number(1)),
  lessthan: fn(2, ({ number }) => number(0) < number(1)),
  lessthanorequalto: fn(2, ({ number }) => number(0) <= number(1)),
  equal: fn(2, ({ any }) => isSame(any(0), any(1))),
  notequal: fn(2, ({ any }) => !isSame(any(0), any(1))),
  and: fn(2, ({ boolean }) => boolean(0) && boolean(1)),
  or: fn(2, ({ boolean }) => boolean(0) || boolean(1)),
  not: fn(1, ({ boolean }) => !boolean(0)),
};
