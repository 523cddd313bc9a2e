/** What bake files say that means nothing: buildx passes over it, so that files which others understand can be built. */
import type { Attribute, Block, Body } from '../hcl/hcl-ast.js';
import type { Place } from '../hcl/hcl-source.js';
import { getLocation } from '../hcl/hcl-source.js';
import { suggest } from '../util/suggest.js';
import { FIELD_NAMES } from './bake-target.js';

/** Attributes of a target that are no fields. */
const OF_TARGET = ['inherits', 'matrix', 'name'];

interface Known {
  readonly attributes: readonly string[];
  readonly blocks: readonly string[];
}

/** What each block has. */
const BLOCKS: Readonly<Record<string, Known>> = {
  target: { attributes: [...FIELD_NAMES, ...OF_TARGET], blocks: [] },
  group: { attributes: ['targets', 'description'], blocks: [] },
  variable: { attributes: ['default', 'type', 'description'], blocks: ['validation'] },
  function: { attributes: ['params', 'variadic_params', 'result'], blocks: [] },
};

function describe(what: string, place: Place, hint: string): string {
  const { file, line, column } = getLocation(place);
  return `${file}:${line}:${column}: ${what}, it changes nothing${hint === '' ? '' : `: ${hint}`}`;
}

function nearest(name: string, known: readonly string[]): string {
  const near = suggest(name, known);
  return near === undefined ? '' : `did you mean ${near}?`;
}

function ofAttribute(block: Block, { name, place }: Attribute, known: Known): string[] {
  if (known.attributes.includes(name)) return [];
  return [describe(`a ${block.type} has no ${name}`, place, nearest(name, known.attributes))];
}

function ofBlock(block: Block, { type, place }: Block, known: Known): string[] {
  if (known.blocks.includes(type)) return [];
  const hint = known.attributes.includes(type) ? `write ${type} = {` : '';
  return [describe(`a ${block.type} has no block ${type}`, place, hint)];
}

/** Warnings about all that no block has, in the order of the files. */
export function unknownParts(bodies: readonly Body[]): string[] {
  return bodies
    .flatMap((body) => body.blocks)
    .flatMap((block) => {
      const { type, place, body } = block;
      const known = Object.hasOwn(BLOCKS, type) ? BLOCKS[type] : undefined;
      if (!known)
        return [describe(`there is no block ${type}`, place, nearest(type, Object.keys(BLOCKS)))];
      return [
        ...[...body.attributes.values()].flatMap((each) => ofAttribute(block, each, known)),
        ...body.blocks.flatMap((each) => ofBlock(block, each, known)),
      ];
    });
}
