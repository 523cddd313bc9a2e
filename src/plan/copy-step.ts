/** COPY and ADD as steps. */
import { posix } from 'node:path';
import type { CopyInstruction } from '../dockerfile/ast.js';
import type { SourceLocation } from '../util/errors.js';
import { DockerfileError } from '../util/errors.js';
import { parseMode } from './mode.js';
import type { Origin } from './origins.js';
import type { Remote } from './remote.js';
import { remotePath, remoteSource } from './remote.js';
import type { Expander } from './scope.js';
import type { ConfigFields } from './stage-config.js';
import type { CopyStep, InlineFile, StepId } from './step.js';

type Operands = Omit<CopyStep, 'id' | 'parent' | 'text' | 'stage' | 'platform' | 'location'>;

/** What COPY depends on besides its own words. */
export interface CopyScope {
  readonly config: ConfigFields;
  readonly expand: Expander;
  /** What --from= means; throws if it means nothing. */
  readonly findOrigin: (reference: string) => Origin;
  /** The step that fetches a source of ADD. */
  readonly fetch: (remote: Remote) => StepId;
}

/**
 * The destination as an absolute path that keeps its meaning of "must be a directory". Nothing at
 * all, as when a variable is empty, is the working directory.
 */
export function destinationPath(workdir: string, written: string): string {
  const absolute = posix.resolve(workdir, written);
  const directory = written === '' || written.endsWith('/') || /(^|\/)\.\.?$/.test(written);
  return directory && absolute !== '/' ? `${absolute}/` : absolute;
}

/** The parser lets only true and false through; undefined: the flag is not there. */
function booleanFlag({ flags }: CopyInstruction, name: string): boolean | undefined {
  const flag = flags.find((item) => item.name === name);
  return flag && flag.value?.toLowerCase() !== 'false';
}

/** A flag whose variables are all empty counts as absent. */
function textFlag({ flags }: CopyInstruction, name: string, expand: Expander): string | undefined {
  const flag = flags.find((item) => item.name === name);
  return (flag && expand(flag.value ?? '', flag.location)) || undefined;
}

interface FilesFrom {
  readonly reads: readonly StepId[];
  readonly from: StepId | undefined;
  readonly context: string;
  readonly sources: readonly string[];
  readonly literal?: true;
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

/** Where the files of an ADD come from: neighbours from the build context go together. */
function addFiles(
  instruction: CopyInstruction,
  sources: readonly string[],
  scope: CopyScope,
): FilesFrom[] {
  const { location } = instruction;
  const flags = {
    checksum: textFlag(instruction, 'checksum', scope.expand),
    keepGitDirectory: booleanFlag(instruction, 'keep-git-dir'),
  };
  const groups: FilesFrom[] = [];
  let remotes = 0;
  for (const source of sources) {
    const remote = remoteSource(source, flags, location);
    const last = groups.at(-1);
    if (remote) {
      remotes += 1;
      const step = scope.fetch(remote);
      // A fetched file lies in a layer of its own, a repository at the root of one.
      groups.push({
        reads: [step],
        from: step,
        context: '',
        sources: [remotePath(remote.source)],
        literal: true,
      });
    } else if (last && last.from === undefined) {
      groups[groups.length - 1] = { ...last, sources: [...last.sources, source] };
    } else groups.push({ reads: [], from: undefined, context: '', sources: [source] });
  }
  if (flags.checksum !== undefined && (remotes !== 1 || sources.length !== 1)) {
    const message =
      remotes === 0
        ? '--checksum is for URLs and git repositories'
        : '--checksum is for one source';
    throw new DockerfileError(message, location, { hint: 'write an ADD for each source' });
  }
  return groups.length > 0 ? groups : [{ reads: [], from: undefined, context: '', sources: [] }];
}

function unpackMode(instruction: CopyInstruction, { from }: FilesFrom): CopyStep['unpack'] {
  if (instruction.kind === 'copy') return 'never';
  const flag = booleanFlag(instruction, 'unpack');
  if (flag !== undefined) return flag ? 'detect' : 'never';
  // Archives of the context are unpacked, those from the network are not.
  return from === undefined ? 'detect' : 'never';
}

/** A here-document is one file in the destination: its name leads nowhere else. */
function fileName(name: string, location: SourceLocation): string {
  if (name.startsWith('.wh.')) {
    throw new DockerfileError(
      `the here-document ${name} would mean in an image that ${name.slice(4)} is removed`,
      location,
      { hint: 'give it a name that does not begin with .wh.' },
    );
  }
  if (name !== '.' && name !== '..' && !/[/\0]/.test(name)) return name;
  throw new DockerfileError(`the here-document ${name} has a path, not a file name`, location, {
    hint: 'name it without a slash; the destination says where it goes',
  });
}

/**
 * The operands of COPY or ADD after expansion: one step for all sources, but for an ADD that mixes
 * sources of the build context and remote ones, whose steps follow each other in their order.
 * @throws DockerfileError
 */
export function copySteps(instruction: CopyInstruction, scope: CopyScope): Operands[] {
  const { location, flags } = instruction;
  const { expand, config } = scope;
  const sources = instruction.sources.map((source) => expand(source, location));
  const inline = instruction.heredocs.map(
    ({ name, content, expand: wanted }): InlineFile => ({
      name: fileName(name, location),
      content: wanted ? expand(content, location, 'plain') : content,
    }),
  );
  const destination = destinationPath(config.WorkingDir, expand(instruction.destination, location));
  const chmod = textFlag(instruction, 'chmod', expand);
  if (chmod !== undefined) parseMode(chmod, location);
  const groups =
    instruction.kind === 'add'
      ? addFiles(instruction, sources, scope)
      : [copyFiles(instruction, sources, scope)];
  return groups.map((files, index) => ({
    kind: 'copy',
    ...files,
    inline: index === groups.length - 1 ? inline : [],
    destination,
    chown: textFlag(instruction, 'chown', expand),
    chmod,
    parents: booleanFlag(instruction, 'parents') ?? false,
    exclude: flags
      .filter(({ name }) => name === 'exclude')
      .map(({ value = '', location: at }) => expand(value, at)),
    link: booleanFlag(instruction, 'link') ?? false,
    unpack: unpackMode(instruction, files),
  }));
}
