import type { Instruction } from '../../src/dockerfile/ast.js';
import { parseDockerfile } from '../../src/dockerfile/parse-dockerfile.js';
import { DockerfileError, type SourceLocation } from '../../src/util/errors.js';

/** A location for functions that need one but whose test is not about it. */
export const HERE: SourceLocation = { file: 'Dockerfile', line: 7, column: 3, endLine: 8 };

/** Runs `action`, which must throw a DockerfileError, and returns that. */
export function getError(action: () => unknown): DockerfileError {
  try {
    action();
  } catch (error) {
    if (error instanceof DockerfileError) return error;
    throw error;
  }
  throw new Error('no error was thrown');
}

type OfKind<K, T = Instruction> = T extends { readonly kind: infer Kinds }
  ? K extends Kinds
    ? T
    : never
  : never;

/** The instruction of `kind` in `text`, which gets a FROM in front. */
export function instruction<K extends Instruction['kind']>(kind: K, text: string): OfKind<K> {
  const found = parseDockerfile(`FROM scratch\n${text}`, 'Dockerfile').instructions[1];
  if (found?.kind !== kind) throw new Error(`${text} became ${found?.kind}`);
  return found as OfKind<K>;
}

/** The error of `text`, which gets a FROM in front: its first line is line 2. */
export function instructionError(text: string): DockerfileError {
  return getError(() => parseDockerfile(`FROM scratch\n${text}`, 'Dockerfile'));
}

/** `line:column` of an error. */
export function place(error: DockerfileError): string {
  return `${error.location.line}:${error.location.column}`;
}
