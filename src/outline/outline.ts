/**
 * `--call=outline`: what a build of a target takes from outside, as BuildKit's subrequest
 * frontend.outline. Pure; base images are not looked up, so that what their ONBUILD asks for is
 * not there.
 */

import { attempt, checkContext, expandWith, getBase } from '../check/check-context.js';
import type { CheckOptions } from '../check/check-dockerfile.js';
import type { Visit } from '../check/walk.js';
import { visitStages } from '../check/walk.js';
import type { ArgInstruction, Dockerfile, RunInstruction } from '../dockerfile/ast.js';
import { parseMount } from '../dockerfile/mount-flags.js';
import { argValue, givenArg } from '../plan/scope.js';
import type { Stage } from '../plan/stages.js';
import { targetStage } from '../plan/stages.js';
import type { SourceLocation } from '../util/errors.js';
import { type Descriptions, getDescriptions } from './descriptions.js';
import { getData, getLocation, type Location } from './outline-source.js';
import { stagesFor } from './reach.js';

/** A build argument; members without a value are left out. */
export interface OutlineArg {
  readonly name: string;
  readonly description?: string;
  readonly value?: string;
  readonly location: Location;
}

/** A secret or ssh mount. */
export interface OutlineMount {
  readonly name: string;
  readonly required?: true;
  readonly location: Location;
}

export interface Outline {
  /** Of the stage. */
  readonly name?: string;
  readonly description?: string;
  readonly args?: readonly OutlineArg[];
  readonly secrets?: readonly OutlineMount[];
  readonly ssh?: readonly OutlineMount[];
  readonly cache?: readonly { readonly ID: string; readonly location: Location }[];
  readonly sources: readonly string[];
}

interface Found {
  readonly args: (OutlineArg & { readonly line: number })[];
  readonly secrets: Map<string, OutlineMount>;
  readonly ssh: Map<string, OutlineMount>;
  readonly cache: Map<string, Location>;
}

function getArg(
  instruction: ArgInstruction,
  name: string,
  value: string | undefined,
  describe: Descriptions,
): OutlineArg & { readonly line: number } {
  const description = describe(instruction, name);
  return {
    name,
    ...(description === undefined ? {} : { description }),
    ...(value === undefined || value === '' ? {} : { value }),
    location: getLocation(instruction.location),
    line: instruction.location.line,
  };
}

/** A mount that several steps have is required when one of them says so. */
function addMount(
  mounts: Map<string, OutlineMount>,
  name: string,
  required: boolean,
  place: SourceLocation,
): void {
  const known = mounts.get(name);
  const location = known?.location ?? getLocation(place);
  const isRequired = required || known?.required === true;
  mounts.set(name, { name, ...(isRequired ? { required: true } : {}), location });
}

function addMounts(found: Found, instruction: RunInstruction, expand: Visit['expand']): void {
  const { location, flags } = instruction;
  for (const { name, value = '' } of flags) {
    if (name !== 'mount') continue;
    const mount = attempt(() => parseMount(value, location, (word) => expand(word)?.text ?? word));
    if (mount?.type === 'secret') addMount(found.secrets, mount.id, mount.required, location);
    if (mount?.type === 'ssh') addMount(found.ssh, mount.id, mount.required, location);
    if (mount?.type === 'cache' && !found.cache.has(mount.id))
      found.cache.set(mount.id, getLocation(location));
  }
}

/** Arguments before the first FROM that the FROM of these stages use, and those that they use. */
function addGlobals(
  found: Found,
  dockerfile: Dockerfile,
  context: ReturnType<typeof checkContext>,
  stages: readonly Stage[],
  describe: Descriptions,
): void {
  const { globals, globalArgs, options } = context;
  const usedIn = (word: string, location: SourceLocation) =>
    expandWith(dockerfile, globals.values, word, location)?.used ?? [];
  const used = new Set(
    stages.flatMap(({ from }) => {
      const platform = from.flags.find(({ name }) => name === 'platform')?.value ?? '';
      return [from.image, platform].flatMap((word) => [...usedIn(word, from.location)]);
    }),
  );
  // An argument uses only those before it.
  for (const instruction of globalArgs.toReversed()) {
    for (const { name, defaultValue } of instruction.args.toReversed()) {
      if (!used.has(name)) continue;
      found.args.push(getArg(instruction, name, globals.values.get(name), describe));
      if (defaultValue === undefined || givenArg(options.buildArgs, name) !== undefined) continue;
      for (const other of usedIn(defaultValue, instruction.location)) used.add(other);
    }
  }
}

/** The description of an argument: of its stage, else of the one before the first FROM. */
function withGlobals(describe: Descriptions, globalArgs: readonly ArgInstruction[]): Descriptions {
  return (instruction, name) => {
    const own = describe(instruction, name);
    if (own !== undefined) return own;
    const global = globalArgs.findLast(({ args }) => args.some((arg) => arg.name === name));
    return global && describe(global, name);
  };
}

function present<T>(name: string, list: readonly T[]): Record<string, readonly T[]> {
  return list.length === 0 ? {} : { [name]: list };
}

/**
 * Outlines a target.
 * @param target of --target; undefined: the last stage
 * @throws DockerfileError when there is no such stage
 */
export function getOutline(
  dockerfile: Dockerfile,
  options: CheckOptions,
  target: string | undefined,
): Outline {
  const context = checkContext(dockerfile, options);
  const { globals, globalArgs } = context;
  const end = dockerfile.instructions.at(-1)?.location;
  const place = end ?? { file: dockerfile.file, line: 1, column: 1, endLine: 1 };
  const stage = targetStage(context, target, place);
  const stages = stagesFor(context, stage, (each) => {
    const base = getBase(context, each);
    return base?.kind === 'stage' ? base.stage : undefined;
  });
  const lines = new Set(stages.flatMap(({ body }) => body.map(({ location }) => location.line)));
  const found: Found = { args: [], secrets: new Map(), ssh: new Map(), cache: new Map() };
  const describe = getDescriptions(dockerfile);
  const describeArg = withGlobals(describe, globalArgs);
  addGlobals(found, dockerfile, context, stages, describe);
  visitStages(context, [
    ({ instruction, location, expand }) => {
      if (!lines.has(location.line)) return [];
      if (instruction.kind === 'run') addMounts(found, instruction, expand);
      if (instruction.kind !== 'arg') return [];
      for (const arg of instruction.args) {
        const { buildArgs } = options;
        const value = argValue(arg, buildArgs, globals.values, (word) => expand(word)?.text);
        found.args.push(getArg(instruction, arg.name, value, describeArg));
      }
      return [];
    },
  ]);
  const { name } = stage;
  const description = name === undefined ? undefined : describe(stage.from, name);
  const args = found.args.sort((a, b) => a.line - b.line).map(({ line, ...arg }) => arg);
  const cache = [...found.cache].map(([ID, location]) => ({ ID, location }));
  return {
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description }),
    ...present('args', args),
    ...present('secrets', [...found.secrets.values()]),
    ...present('ssh', [...found.ssh.values()]),
    ...present('cache', cache),
    sources: [getData(dockerfile)],
  };
}
