/** The functions that every bake file may call: those of buildx as far as they depend on nothing else. */
import { BakeFileError } from '../../util/errors.js';
import type { HclFunction } from '../evaluate.js';
import { CallError, evaluate } from '../evaluate.js';
import { hclError } from '../hcl-source.js';
import { convertValue, parseType, TypeMismatch } from '../type-constraints.js';
import type { Functions } from './arguments-of-call.js';
import { fn } from './arguments-of-call.js';
import { COLLECTION_FUNCTIONS } from './collection-functions.js';
import { dateFunctions } from './date-functions.js';
import { ENCODING_FUNCTIONS } from './encoding-functions.js';
import { FORMAT_FUNCTIONS } from './format-function.js';
import { NUMBER_FUNCTIONS } from './number-functions.js';
import { pathFunctions } from './path-functions.js';
import { SEMVER_FUNCTIONS } from './semver-function.js';
import { TEXT_FUNCTIONS } from './text-functions.js';

/** What functions may know of the world. */
export interface FunctionEnvironment {
  readonly now: () => Date;
  readonly uuid: () => string;
  readonly home: string | undefined;
}

/** The first argument that can be evaluated. */
const TRY: HclFunction = {
  evaluate: (args, scope, place) => {
    for (const arg of args) {
      try {
        return evaluate(arg, scope);
      } catch (error) {
        if (!(error instanceof BakeFileError)) throw error;
      }
    }
    throw hclError('try: none of the arguments can be evaluated', place);
  },
};

const CAN: HclFunction = {
  evaluate: (args, scope, place) => {
    const [arg] = args;
    if (!arg) throw hclError('can: it has 1 argument', place);
    try {
      evaluate(arg, scope);
      return true;
    } catch (error) {
      if (error instanceof BakeFileError) return false;
      throw error;
    }
  },
};

const CONVERT: HclFunction = {
  evaluate: (args, scope, place) => {
    const [value, type] = args;
    if (!value || !type) throw hclError('convert: it has a value and a type', place);
    try {
      return convertValue(evaluate(value, scope), parseType(type));
    } catch (error) {
      if (error instanceof TypeMismatch) throw hclError(`convert: ${error.message}`, place);
      throw error;
    }
  },
};

/** Known to buildx, and not here: what they give is another thing each time, or needs keys. */
function missing(why: string): HclFunction {
  return {
    call: () => {
      throw new CallError(why);
    },
  };
}

/** All of them by name. */
export function standardFunctions({ now, uuid, home }: FunctionEnvironment): Functions {
  return {
    ...NUMBER_FUNCTIONS,
    ...TEXT_FUNCTIONS,
    ...FORMAT_FUNCTIONS,
    ...COLLECTION_FUNCTIONS,
    ...ENCODING_FUNCTIONS,
    ...SEMVER_FUNCTIONS,
    ...dateFunctions(now),
    ...pathFunctions(home),
    uuidv4: fn(0, uuid),
    try: TRY,
    can: CAN,
    convert: CONVERT,
    bcrypt: missing('wiac has no bcrypt: hash the password before, and give it as a variable'),
    rsadecrypt: missing('wiac decrypts nothing: do it before, and give the text as a variable'),
    bytesslice: missing('wiac has no buffers: use substr'),
  };
}
