/** Bake files in HCL and JSON: their targets and groups. */
import type { Scope } from '../hcl/evaluate.js';
import { evaluate, withVariables } from '../hcl/evaluate.js';
import type { Attribute, Block, Body } from '../hcl/hcl-ast.js';
import type { HclSource } from '../hcl/hcl-source.js';
import { hclError } from '../hcl/hcl-source.js';
import type { Value } from '../hcl/hcl-value.js';
import { asText, isList, isMap, toJson } from '../hcl/hcl-value.js';
import { parseHcl } from '../hcl/parse-body.js';
import type { BlockTypes } from '../hcl/parse-json-body.js';
import { parseHclJson } from '../hcl/parse-json-body.js';
import type { BakeScope, BakeWorld } from './bake-scope.js';
import { bakeScope, labelOf } from './bake-scope.js';
import type {
  Definition,
  FieldName,
  Fields,
  FieldValue,
  Group,
  ListedVariable,
  WrittenTarget,
} from './bake-target.js';
import { isFieldName } from './bake-target.js';
import { writtenType } from './bake-variables.js';
import { decodeField } from './decode-fields.js';
import { FieldError } from './field-entries.js';
import { unknownParts } from './unknown-parts.js';

const BLOCKS: BlockTypes = {
  target: { labels: 1, inner: {} },
  group: { labels: 1, inner: {} },
  variable: { labels: 1, inner: { validation: { labels: 0, inner: {} } } },
  function: { labels: 1, inner: {} },
};

/** One of fewer letters than buildx takes would be refused there. */
const NAME = /^[a-zA-Z0-9_-]+$/;

/** @throws BakeFileError */
export function parseBakeFile(source: HclSource, isJson: boolean): Body {
  return isJson ? parseHclJson(source, BLOCKS) : parseHcl(source);
}

function requireName(name: string, block: Block): void {
  if (!NAME.test(name))
    throw hclError(
      `${block.type} ${JSON.stringify(name)}: that is no name`,
      block.place,
      'a name has letters, digits, _ and -',
    );
}

/** A list of strings. @throws BakeFileError */
function texts(attribute: Attribute | undefined, scope: Scope): string[] {
  if (!attribute) return [];
  const value = evaluate(attribute.value, scope);
  const items = isList(value) ? value.map(asText) : [undefined];
  return items.map((item) => {
    if (item !== undefined) return item;
    throw hclError(`${attribute.name} is a list of names`, attribute.value.place);
  });
}

function text(attribute: Attribute | undefined, scope: Scope): string | undefined {
  return attribute && asText(evaluate(attribute.value, scope));
}

/** The combinations of a matrix, the first name changing fastest as it does in buildx. */
function combinations(attribute: Attribute, scope: Scope): ReadonlyMap<string, Value>[] {
  const matrix = evaluate(attribute.value, scope);
  if (!isMap(matrix)) throw hclError('a matrix is a map of lists', attribute.value.place);
  let made: ReadonlyMap<string, Value>[] = [new Map()];
  for (const [name, values] of matrix) {
    if (!isList(values))
      throw hclError(`matrix.${name} is no list`, attribute.value.place, `write ${name} = [...]`);
    made = values.flatMap((value) => made.map((before) => new Map([...before, [name, value]])));
    if (made.length > 10_000) throw hclError('the matrix is too large', attribute.place);
  }
  return made;
}

function readFields(block: Block, scope: Scope): Fields {
  const fields: Partial<Record<FieldName, FieldValue>> = {};
  for (const { name, value } of block.body.attributes.values()) {
    if (!isFieldName(name)) continue;
    try {
      const decoded = decodeField(name, evaluate(value, scope));
      if (decoded !== undefined) fields[name] = decoded;
    } catch (error) {
      if (error instanceof FieldError) throw hclError(error.message, value.place, error.hint);
      throw error;
    }
  }
  return fields as Fields;
}

function readTarget(block: Block, name: string, scope: Scope): WrittenTarget {
  requireName(name, block);
  const inherits = texts(block.body.attributes.get('inherits'), scope);
  return { name, inherits, fields: readFields(block, scope) };
}

/** The targets that a block stands for, and the group that has its name if they have others. */
function readTargets(block: Block, scope: Scope): { targets: WrittenTarget[]; group?: Group } {
  const label = labelOf(block);
  requireName(label, block);
  const { attributes } = block.body;
  const matrix = attributes.get('matrix');
  const name = attributes.get('name');
  if (name && !matrix)
    throw hclError('name needs a matrix', name.place, 'the target has the name of its block');
  if (!matrix) return { targets: [readTarget(block, label, scope)] };
  const targets = combinations(matrix, scope).map((values) => {
    const own = withVariables(scope, values);
    return readTarget(block, text(name, own) ?? label, own);
  });
  const names = new Set<string>();
  for (const target of targets) {
    if (names.has(target.name))
      throw hclError(
        `the matrix makes ${target.name} twice`,
        (name ?? matrix).place,
        'write a name that has all variables of the matrix in it',
      );
    names.add(target.name);
  }
  const isRenamed = names.size !== 1 || !names.has(label);
  return { targets, ...(isRenamed && { group: { name: label, targets: [...names] } }) };
}

function readGroup(block: Block, scope: Scope): Group {
  const name = labelOf(block);
  requireName(name, block);
  const { attributes } = block.body;
  const targets = attributes.get('targets');
  if (!targets) throw hclError(`the group ${name} has no targets`, block.place);
  return {
    name,
    description: text(attributes.get('description'), scope),
    targets: [...new Set(texts(targets, scope))],
  };
}

function listVariables(scope: BakeScope): ListedVariable[] {
  return [...scope.variables].map(([name, block]) => {
    const value = scope.variable(name) ?? null;
    const description = text(block.body.attributes.get('description'), scope);
    const type = writtenType(block);
    return {
      name,
      ...(description === undefined ? {} : { description }),
      ...(type === undefined ? {} : { type }),
      value: value === null ? null : (asText(value) ?? toJson(value)),
    };
  });
}

/**
 * What bake files say, all together: variables of one are seen in the others.
 * @throws BakeFileError
 */
export function readBodies(bodies: readonly Body[], world: BakeWorld): Definition {
  const scope = bakeScope(bodies, world);
  const targets: WrittenTarget[] = [];
  const groups: Group[] = [];
  const renamed: Group[] = [];
  for (const block of bodies.flatMap((body) => body.blocks)) {
    if (block.type === 'group') groups.push(readGroup(block, scope));
    if (block.type !== 'target') continue;
    const read = readTargets(block, scope);
    targets.push(...read.targets);
    if (read.group) renamed.push(read.group);
  }
  return {
    targets,
    groups: [...groups, ...renamed],
    variables: listVariables(scope),
    warnings: unknownParts(bodies),
    unbuilt: [],
  };
}
