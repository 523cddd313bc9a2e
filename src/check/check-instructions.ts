/** JSONArgsRecommended, MultipleInstructionsDisallowed, WorkdirRelativePath, CopyIgnoredFile. */
import { posix } from 'node:path';
import type { Finding } from './rules.js';
import type { Visit } from './walk.js';

/** CMD and ENTRYPOINT in shell form; not after SHELL, which says that a shell is wanted. */
export function shellForm({ instruction, location, scope }: Visit): Finding[] {
  if (instruction.kind !== 'cmd' && instruction.kind !== 'entrypoint') return [];
  if (instruction.command.form === 'exec' || scope.shellSet) return [];
  const detail = `${instruction.keyword} in shell form keeps signals from the program: write a JSON array`;
  return [{ rule: 'JSONArgsRecommended', detail, location }];
}

/** An earlier CMD, ENTRYPOINT or HEALTHCHECK of the stage, located there: it has no effect. */
export function repeatedInstructions({ instruction, scope }: Visit): Finding[] {
  const { kind, keyword } = instruction;
  if (kind !== 'cmd' && kind !== 'entrypoint' && kind !== 'healthcheck') return [];
  const location = scope.last.get(kind);
  if (location === undefined) return [];
  const detail = `This ${keyword} has no effect: another one follows in the same stage`;
  return [{ rule: 'MultipleInstructionsDisallowed', detail, location }];
}

/** The first WORKDIR of a stage and its bases within the Dockerfile, if it is relative. */
export function relativeWorkdir({ instruction, location, scope, expand }: Visit): Finding[] {
  if (instruction.kind !== 'workdir' || scope.workdirSet) return [];
  const expansion = expand(instruction.value);
  if (expansion === undefined || expansion.text.startsWith('/')) return [];
  // A variable of the base image may well begin with a slash.
  if (scope.unknownBase !== undefined && expansion.undefinedNames.size > 0) return [];
  const detail = `WORKDIR '${expansion.text}' is relative to what the base image happens to set`;
  return [{ rule: 'WorkdirRelativePath', detail, location }];
}

/** http, https, ssh, git, and what git takes besides. */
const REMOTE = /^(?:[a-z][a-z0-9+.-]*:\/\/|git@|github\.com\/)/i;

/**
 * Sources in the build context that .dockerignore leaves out. The whole context is never one of
 * them: with `*` and some `!` patterns, `COPY . .` is right.
 */
export function ignoredSources({ context, instruction, location, expand }: Visit): Finding[] {
  const { ignores } = context.options;
  if (ignores === undefined || (instruction.kind !== 'copy' && instruction.kind !== 'add')) {
    return [];
  }
  if (instruction.flags.some(({ name }) => name === 'from')) return [];
  return (
    instruction.sources
      // A variable without a known value, and a wildcard, may mean other files as well.
      .flatMap((source) => expand(source) ?? [])
      .filter(({ text, undefinedNames }) => undefinedNames.size === 0 && !/[*?[]/.test(text))
      .map(({ text }) => text)
      .filter((source) => !REMOTE.test(source))
      .map((source) => posix.join('/', source).slice(1).replace(/\/$/, ''))
      .filter((path) => path !== '' && ignores(path))
      .map((path) => ({
        rule: 'CopyIgnoredFile',
        detail: `${instruction.keyword} '${path}' finds nothing: .dockerignore leaves it out`,
        location,
      }))
  );
}
