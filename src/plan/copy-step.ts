/** COPY and ADD as steps. */
import { posix } from 'node:path';
import type { CopyInstruction } from '../dockerfile/ast.js';
import { DockerfileError, UnsupportedError } from '../errors.js';
import type { ContainerConfig } from '../image/config.js';
import { parseMode } from './mode.js';
import type { Origin } from './origins.js';
import type { RemoteSource } from './remote.js';
import { remoteSource } from './remote.js';
import type { Expander } from './scope.js';
import type { CopyStep, InlineFile, StepId } from './step.js';

type Operands = Omit<CopyStep, 'id' | 'parent' | 'text' | 'stage' | 'platform' | 'location'>;

/** What COPY depends on besides its own words. */
export interface CopyScope {
  readonly config: ContainerConfig;
  readonly expand: Expander;
  /** What --from= means; throws if it means nothing. */
  readonly findOrigin: (reference: string) => Origin;
  /** The step that fetches a source of ADD. */
  readonly fetch: (source: RemoteSource) => StepId;
}

/** The destination as an absolute path that keeps its meaning of "must be a directory". */
export function destinationPath(workdir: string, written: string): string {
  const absolute = posix.resolve(workdir, written);
  const directory = written.endsWith('/') || /(^|\/)\.\.?$/.test(written);
  return directory && absolute !== '/' ? `${absolute}/` : absolute;
}

/** The parser lets only true and false through; undefined: the flag is not there. */
function booleanFlag({ flags }: CopyInstruction, name: string): boolean | undefined {
  const flag = flags.find((item) => item.name === name);
  return flag && flag.value?.toLowerCase() !== 'false';
}

function textFlag({ flags }: CopyInstruction, name: string, expand: Expander): string | undefined {
  const flag = flags.find((item) => item.name === name);
  return flag && expand(flag.value ?? '', flag.location);
}

interface FilesFrom {
  readonly reads: readonly StepId[];
  readonly from: StepId | undefined;
  readonly context: string;
  readonly sources: readonly string[];
}

function copyFiles(
  instruction: CopyInstruction,
  sources: readonly string[],
  scope: CopyScope,
): FilesFrom {
  const from = instruction.flags.find(({ name }) => name === 'from')?.value;
  const origin = from === undefined ? { context: '' } : scope.findOrigin(from);
  if ('context' in origin) return { reads: [], from: undefined, context: origin.context, sources };
  return { reads: [origin.step], from: origin.step, context: '', sources };
}

function addFiles(
  instruction: CopyInstruction,
  sources: readonly string[],
  scope: CopyScope,
): FilesFrom {
  const { location } = instruction;
  const flags = {
    checksum: textFlag(instruction, 'checksum', scope.expand),
    keepGitDirectory: booleanFlag(instruction, 'keep-git-dir') ?? false,
  };
  const remote = sources.map((source) => remoteSource(source, flags, location));
  const [first] = remote;
  if (!remote.some((source) => source !== undefined)) {
    if (flags.checksum !== undefined) {
      throw new DockerfileError('--checksum is for URLs and git repositories', location);
    }
    return { reads: [], from: undefined, context: '', sources };
  }
  if (!first || sources.length > 1) {
    throw new UnsupportedError(
      'ADD of a URL together with other sources is not supported',
      location,
      {
        hint: 'write one ADD for each',
      },
    );
  }
  const step = scope.fetch(first);
  // A fetched file lies in a layer of its own, a repository at the root of one.
  return {
    reads: [step],
    from: step,
    context: '',
    sources: [first.type === 'http' ? first.name : '/'],
  };
}

function unpackMode(instruction: CopyInstruction, { from }: FilesFrom): CopyStep['unpack'] {
  if (instruction.kind === 'copy') return 'never';
  const flag = booleanFlag(instruction, 'unpack');
  if (flag !== undefined) return flag ? 'always' : 'never';
  // Archives of the context are unpacked, those from the network are not.
  return from === undefined ? 'detect' : 'never';
}

/** The operands of COPY or ADD after expansion. @throws DockerfileError, UnsupportedError */
export function copyStep(instruction: CopyInstruction, scope: CopyScope): Operands {
  const { location, flags, keyword } = instruction;
  const { expand, config } = scope;
  const sources = instruction.sources.map((source) => expand(source, location));
  const inline = instruction.heredocs.map(
    ({ name, content, expand: wanted }): InlineFile => ({
      name,
      content: wanted ? expand(content, location, 'plain') : content,
    }),
  );
  const destination = destinationPath(config.WorkingDir, expand(instruction.destination, location));
  if (sources.length + inline.length > 1 && !destination.endsWith('/')) {
    const message = `${keyword.toUpperCase()} of several sources needs a directory as its destination`;
    throw new DockerfileError(message, location, {
      hint: `end it with a slash: ${instruction.destination}/`,
    });
  }
  const chmod = textFlag(instruction, 'chmod', expand);
  if (chmod !== undefined) parseMode(chmod, location);
  const files =
    instruction.kind === 'add'
      ? addFiles(instruction, sources, scope)
      : copyFiles(instruction, sources, scope);
  return {
    kind: 'copy',
    ...files,
    inline,
    destination,
    chown: textFlag(instruction, 'chown', expand),
    chmod,
    parents: booleanFlag(instruction, 'parents') ?? false,
    exclude: flags
      .filter(({ name }) => name === 'exclude')
      .map(({ value = '', location: at }) => expand(value, at)),
    link: booleanFlag(instruction, 'link') ?? false,
    unpack: unpackMode(instruction, files),
  };
}
