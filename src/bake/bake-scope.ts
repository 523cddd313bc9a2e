/** The variables and functions of bake files: each is evaluated when something asks for it. */
import type { HclFunction, Scope } from '../hcl/evaluate.js';
import { CallError, evaluate, withVariables } from '../hcl/evaluate.js';
import type { FunctionEnvironment } from '../hcl/functions/standard-functions.js';
import { standardFunctions } from '../hcl/functions/standard-functions.js';
import type { Attribute, Block, Body, Expression } from '../hcl/hcl-ast.js';
import type { Place } from '../hcl/hcl-source.js';
import { hclError } from '../hcl/hcl-source.js';
import type { Value } from '../hcl/hcl-value.js';
import { suggest } from '../util/suggest.js';
import { variableValue } from './bake-variables.js';

/** What a bake file may ask of the world. */
export interface BakeWorld extends FunctionEnvironment {
  /** Variables of the environment. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** What variables of bake files are set to; undefined: the environment says so. */
  readonly variables?: Readonly<Record<string, string | undefined>>;
  /** The context of the command, for definitions that are elsewhere. */
  readonly commandContext: string;
  /** `os/architecture` of this machine. */
  readonly platform: string;
}

/** The scope of all files together. */
export interface BakeScope extends Scope {
  /** Names of the variables, in their order. */
  readonly variables: ReadonlyMap<string, Block>;
}

/** The one label of a block. @throws BakeFileError */
export function labelOf({ type, labels, place }: Block): string {
  const [label] = labels;
  if (label === undefined || labels.length > 1)
    throw hclError(`${type} has one name`, place, `write ${type} "NAME" {`);
  return label;
}

/** The parameters of a function, which look like variables. */
function parameters(expression: Expression | undefined): string[] {
  if (!expression) return [];
  const items = expression.kind === 'tuple' ? expression.items : [expression];
  return items.map((item) => {
    if (item.kind === 'variable') return item.name;
    throw hclError('a parameter is a name', item.place, 'write params = [a, b]');
  });
}

/** More calls within each other have no end. */
const MAX_CALLS = 100;

function userFunction(block: Block, scope: () => Scope, depth: { now: number }): HclFunction {
  const { attributes } = block.body;
  const result = attributes.get('result')?.value;
  if (!result) throw hclError('a function has a result', block.place, 'write result = VALUE');
  const names = parameters(attributes.get('params')?.value);
  const [rest] = parameters(attributes.get('variadic_params')?.value);
  return {
    call: (args) => {
      if (args.length < names.length || (rest === undefined && args.length > names.length))
        throw new CallError(`it has ${names.length} arguments, not ${args.length}`);
      const given = new Map<string, Value>(names.map((name, at) => [name, args[at] ?? null]));
      if (rest !== undefined) given.set(rest, args.slice(names.length));
      if (depth.now > MAX_CALLS) throw new CallError('it calls itself without an end');
      depth.now += 1;
      try {
        return evaluate(result, withVariables(scope(), given));
      } finally {
        depth.now -= 1;
      }
    },
  };
}

/** The attribute of a block of that type and name; the last one that sets it counts. */
function findAttribute(
  bodies: readonly Body[],
  type: string,
  label: string,
  name: string,
): Attribute | undefined {
  const blocks = bodies.flatMap((body) => body.blocks);
  return blocks
    .filter((block) => block.type === type && block.labels[0] === label)
    .findLast((block) => block.body.attributes.has(name))
    ?.body.attributes.get(name);
}

const REFERABLE = ['target', 'group', 'variable'];

/** @param bodies of the files, in their order: later ones count before earlier ones */
export function bakeScope(bodies: readonly Body[], world: BakeWorld): BakeScope {
  /** Those of the files themselves; one with the name of a variable is its default, whatever the order. */
  const constants = new Map<string, Attribute>();
  const variables = new Map<string, Block>();
  const functions = new Map<string, HclFunction>(Object.entries(standardFunctions(world)));
  const depth = { now: 0 };
  for (const body of bodies) {
    for (const [name, attribute] of body.attributes) constants.set(name, attribute);
    for (const block of body.blocks) {
      if (block.type === 'variable') variables.set(labelOf(block), block);
      else if (block.type === 'function')
        functions.set(
          labelOf(block),
          userFunction(block, () => scope, depth),
        );
    }
  }
  const given = { environment: world.variables ?? world.environment };
  const names = () => [...constants.keys(), ...variables.keys()];
  const isNamed = (name: string) => constants.has(name) || variables.has(name);
  const values = new Map<string, Value>([
    ['BAKE_LOCAL_PLATFORM', world.platform],
    ['BAKE_CMD_CONTEXT', world.commandContext],
  ]);
  const pending = new Set<string>();
  const failed = new Map<string, unknown>();
  /** @throws BakeFileError for what is defined by itself */
  const once = (name: string, place: Place, find: () => Value): Value => {
    const known = values.get(name);
    if (known !== undefined) return known;
    if (pending.has(name)) throw hclError(`${name} depends on itself`, place);
    // try() and can() go on after an error: it is the same one the next time.
    if (failed.has(name)) throw failed.get(name);
    pending.add(name);
    try {
      const value = find();
      values.set(name, value);
      return value;
    } catch (error) {
      failed.set(name, error);
      throw error;
    } finally {
      pending.delete(name);
    }
  };
  const scope: BakeScope = {
    variables,
    variable: (name) => {
      const constant = constants.get(name);
      const block = variables.get(name);
      if (block) return once(name, block.place, () => variableValue(block, scope, given, constant));
      if (!constant) return values.get(name);
      return once(name, constant.place, () => evaluate(constant.value, scope));
    },
    fn: (name) => functions.get(name),
    member: ([type = '', label = '', name, ...rest], place) => {
      if (!REFERABLE.includes(type) || isNamed(type) || name === undefined || rest.length > 0)
        return undefined;
      const attribute = findAttribute(bodies, type, label, name);
      if (!attribute) throw hclError(`there is no ${type}.${label}.${name}`, place);
      return once(`${type}.${label}.${name}`, place, () => evaluate(attribute.value, scope));
    },
    hint: (name, what) => {
      const near = suggest(name, what === 'function' ? functions.keys() : names());
      if (near !== undefined) return `did you mean ${near}?`;
      return what === 'function' ? undefined : `declare it: variable "${name}" {}`;
    },
  };
  return scope;
}
