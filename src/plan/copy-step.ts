/** COPY as a step. */
import { posix } from 'node:path';
import type { CopyInstruction } from '../dockerfile/ast.js';
import { DockerfileError } from '../errors.js';
import type { ContainerConfig } from '../image/config.js';
import { parseMode } from './mode.js';
import type { Expander } from './scope.js';
import type { CopyStep, InlineFile, StepId } from './step.js';

type Operands = Omit<CopyStep, 'id' | 'parent' | 'text' | 'stage' | 'location'>;

/** The destination as an absolute path that keeps its meaning of "must be a directory". */
export function destinationPath(workdir: string, written: string): string {
  const absolute = posix.resolve(workdir, written);
  const directory = written.endsWith('/') || /(^|\/)\.\.?$/.test(written);
  return directory && absolute !== '/' ? `${absolute}/` : absolute;
}

function booleanFlag(instruction: CopyInstruction, name: string): boolean {
  const flag = instruction.flags.find((item) => item.name === name);
  if (!flag) return false;
  if (flag.value === undefined || flag.value === 'true' || flag.value === '1') return true;
  if (flag.value === 'false' || flag.value === '0') return false;
  throw new DockerfileError(`--${name}=${flag.value} is neither true nor false`, flag.location);
}

/**
 * The operands of COPY after expansion.
 * @param findStage gives the last step of a stage and throws if there is no such stage
 */
export function copyStep(
  instruction: CopyInstruction,
  config: ContainerConfig,
  expand: Expander,
  findStage: (reference: string) => StepId,
): Operands {
  const { location, flags } = instruction;
  const text = (name: string) => {
    const flag = flags.find((item) => item.name === name);
    return flag === undefined ? undefined : expand(flag.value ?? '', flag.location);
  };
  const sources = instruction.sources.map((source) => expand(source, location));
  const inline = instruction.heredocs.map(
    ({ name, content, expand: wanted }): InlineFile => ({
      name,
      content: wanted ? expand(content, location, 'plain') : content,
    }),
  );
  const destination = destinationPath(config.WorkingDir, expand(instruction.destination, location));
  if (sources.length + inline.length > 1 && !destination.endsWith('/')) {
    throw new DockerfileError(
      'COPY of several sources needs a directory as its destination',
      location,
      {
        hint: `end it with a slash: ${instruction.destination}/`,
      },
    );
  }
  const from = flags.find((item) => item.name === 'from')?.value;
  const head = from === undefined ? undefined : findStage(from);
  const chmod = text('chmod');
  if (chmod !== undefined) parseMode(chmod, location);
  return {
    kind: 'copy',
    reads: head === undefined ? [] : [head],
    from: head,
    sources,
    inline,
    destination,
    chown: text('chown'),
    chmod,
    parents: booleanFlag(instruction, 'parents'),
    exclude: flags
      .filter(({ name }) => name === 'exclude')
      .map(({ value = '', location: at }) => expand(value, at)),
    link: booleanFlag(instruction, 'link'),
  };
}
