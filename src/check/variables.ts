/** UndefinedVar and SecretsUsedInArgOrEnv. */
import type { Instruction } from '../dockerfile/ast.js';
import type { Expansion } from '../dockerfile/expand.js';
import { parseMount } from '../dockerfile/mount-flags.js';
import { givenArg } from '../plan/scope.js';
import { suggest } from '../util/suggest.js';
import { attempt } from './check-context.js';
import type { Finding } from './rules.js';
import { isReservedArg, type Visit } from './walk.js';

const EXPANDED_FLAGS = ['chown', 'chmod', 'exclude', 'checksum'];

/** The words of an instruction that Docker expands; those of RUN are in its mounts. */
function expandedWords(instruction: Instruction): readonly string[] {
  switch (instruction.kind) {
    case 'env':
    case 'label':
      return instruction.pairs.flatMap(({ key, value }) => [key, value]);
    case 'copy':
    case 'add': {
      const flags = instruction.flags.filter(({ name }) => EXPANDED_FLAGS.includes(name));
      const values = flags.flatMap(({ value }) => value ?? []);
      return [...values, ...instruction.sources, instruction.destination];
    }
    case 'workdir':
    case 'user':
    case 'stopsignal':
      return [instruction.value];
    case 'volume':
      return instruction.values;
    case 'arg':
      return instruction.args.flatMap(({ defaultValue }) => defaultValue ?? []);
    default:
      return [];
  }
}

function mountExpansions({ instruction, expand }: Visit): readonly Expansion[] {
  const expansions: Expansion[] = [];
  for (const { name, value = '', location } of instruction.flags) {
    if (name !== 'mount') continue;
    attempt(() =>
      parseMount(value, location, (word) => {
        const expansion = expand(word);
        if (expansion !== undefined) expansions.push(expansion);
        return expansion?.text ?? '';
      }),
    );
  }
  return expansions;
}

function getExpansions(visit: Visit): readonly Expansion[] {
  const { context, instruction, expand } = visit;
  if (instruction.kind === 'run') return mountExpansions(visit);
  const isOverridden =
    instruction.kind === 'arg' &&
    instruction.args.every(({ name }) => givenArg(context.options.buildArgs, name) !== undefined);
  if (isOverridden) return [];
  const isCopy = instruction.kind === 'copy' || instruction.kind === 'add';
  const heredocs = isCopy ? instruction.heredocs.filter((heredoc) => heredoc.expand) : [];
  return [
    ...expandedWords(instruction).map((word) => expand(word)),
    ...heredocs.map(({ content }) => expand(content, 'plain')),
  ].filter((expansion) => expansion !== undefined);
}

/** What may help with an undefined variable. */
function advice(name: string, { context, scope }: Visit): string {
  if (context.globals.names.has(name)) return `: repeat ARG ${name} within the stage`;
  const near = suggest(name, scope.env.keys());
  const { unknownBase } = scope;
  const unless = unknownBase === undefined ? '' : `, unless ${unknownBase} sets it`;
  return near === undefined ? unless : `${unless} (did you mean $${near}?)`;
}

/** Variables that neither ARG nor ENV nor the base image defines, each once an instruction. */
export function undefinedVariables(visit: Visit): Finding[] {
  const { scope, location } = visit;
  const names = new Set(getExpansions(visit).flatMap(({ undefinedNames }) => [...undefinedNames]));
  return [...names]
    .filter((name) => !scope.args.has(name) && !isReservedArg(name))
    .map((name) => ({
      rule: 'UndefinedVar',
      detail: `Variable '$${name}' is not defined here${advice(name, visit)}`,
      location,
    }));
}

const SECRET_WORDS = 'apikey|auth|credentials?|key|password|pword|passwd|secret|token';
const SECRET = new RegExp(`(?:^|_)(?:${SECRET_WORDS})(?:_|$)`, 'i');
/** Words that say that the value is about a secret, and none itself. */
const HARMLESS = /(?:^|_)(?:public|file|version)(?:_|$)/i;

/** Names of ARG and ENV that sound like secrets. ARG before the first FROM is in no image. */
export function secretNames({ instruction, location, expand }: Visit): Finding[] {
  if (instruction.kind !== 'arg' && instruction.kind !== 'env') return [];
  const names =
    instruction.kind === 'arg'
      ? instruction.args.map(({ name }) => name)
      : instruction.pairs.map(({ key }) => expand(key)?.text ?? key);
  return names
    .filter((name) => SECRET.test(name) && !HARMLESS.test(name))
    .map((name) => ({
      rule: 'SecretsUsedInArgOrEnv',
      detail: `${instruction.kind.toUpperCase()} '${name}' sounds like a secret: use RUN --mount=type=secret`,
      location,
    }));
}
