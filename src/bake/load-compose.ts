/**
 * Compose files with what they include and extend in other files, as one tree. Which files may be read is not
 * decided here: whoever asks for a definition hands in what reads them.
 */
import { posix } from 'node:path';
import { composeText, composeTexts, member, members } from './compose-values.js';
import type { ComposeNode } from './compose-yaml.js';
import { composeError, parseCompose } from './compose-yaml.js';
import { parseDotEnv } from './dot-env.js';
import type { LookUp, OnUnset } from './interpolate.js';
import { isLocalPath } from './local-paths.js';
import { asMap, isSame, mergeCompose, mergeNodes, withoutResets } from './merge-compose.js';

/** A file that was read. */
export interface DefinitionFile {
  readonly name: string;
  readonly text: string;
}

/** Reads files that compose files name. A path is relative to where the project is, or absolute. */
export interface OtherFiles {
  /** @throws UsageError when it is not there, or may not be read */
  readonly read: (path: string) => DefinitionFile;
  /** @returns undefined when there is none @throws UsageError when it may not be read */
  readonly readIfThere: (path: string) => DefinitionFile | undefined;
}

/** More files nobody has written, but a file may include another one twice, and that a third one twice. */
const MOST_FILES = 1000;
/** Of all these files: each time that one is named it is read again. */
const MOST_CHARACTERS = 32 << 20;
/** Services that extend each other. */
const MOST_IN_ROW = 100;

interface Loading {
  readonly others: OtherFiles;
  readonly onUnset: OnUnset;
  files: number;
  characters: number;
}

/** Files that are one project: the first one, or what `include` names. */
interface Project {
  /** Where its paths begin, seen from where those of the first project begin. */
  readonly directory: string;
  readonly lookUp: LookUp;
  /** Files that are being included: none of them again. */
  readonly path: readonly string[];
}

/** Services of one file, or of several that were merged. */
interface Services {
  /** For the chain of what extends what. */
  readonly file: string;
  readonly directory: string;
  readonly named: ReadonlyMap<string, ComposeNode>;
}

function withMembers(node: ComposeNode, entries: Iterable<[string, ComposeNode]>): ComposeNode {
  return { ...node, content: new Map(entries) };
}

function mapMembers(
  node: ComposeNode,
  change: (value: ComposeNode, name: string) => ComposeNode,
): ComposeNode {
  const entries = [...members(node, 'that')];
  return withMembers(
    node,
    entries.map(([name, value]) => [name, change(value, name)]),
  );
}

/** A path as it is from where its directory was seen. */
function inside(directory: string, path: string): string {
  return posix.isAbsolute(path) ? posix.normalize(path) : posix.join(directory, path);
}

/** A node with a path in it; what is no path of this machine stays. */
function movedPath(node: ComposeNode, directory: string): ComposeNode {
  const { content } = node;
  // As it is written, for --print.
  if (
    directory === '.' ||
    typeof content !== 'string' ||
    !isLocalPath(content) ||
    /^[/~]/.test(content)
  )
    return node;
  return { ...node, content: inside(directory, content) };
}

/** A service whose paths begin in a directory, with paths that begin where those of the first project do. */
function movedService(service: ComposeNode, directory: string): ComposeNode {
  return mapMembers(service, (build, field) => {
    if (field !== 'build' || !(build.content instanceof Map)) return build;
    return mapMembers(build, (value, name) => {
      if (name === 'context') return movedPath(value, directory);
      if (name !== 'additional_contexts' && name !== 'ssh') return value;
      return mapMembers(asMap(value), (path) => movedPath(path, directory));
    });
  });
}

function movedSecret(secret: ComposeNode, directory: string): ComposeNode {
  if (!(secret.content instanceof Map)) return secret;
  return mapMembers(secret, (value, name) => {
    return name === 'file' ? movedPath(value, directory) : value;
  });
}

/** The path of a file that another one names. @throws BakeFileError for one of another machine */
function fileOf(text: string, at: ComposeNode, directory: string): string {
  if (isLocalPath(text)) return inside(directory, text);
  throw composeError(`${text}: files of other machines are not read`, at, 'fetch it first');
}

/** Reads a file that another one names. @param at where */
function open(path: string, at: ComposeNode, lookUp: LookUp, loading: Loading): ComposeNode {
  const { name, text } = loading.others.read(path);
  loading.files += 1;
  loading.characters += text.length;
  if (loading.files > MOST_FILES || loading.characters > MOST_CHARACTERS)
    throw composeError('there are too many files, or too long ones', at);
  return parseCompose(name, text, lookUp, loading.onUnset);
}

/** A service with all that it extends, in its file and in others. @param chain what extends it */
function resolveService(
  services: Services,
  name: string,
  lookUp: LookUp,
  loading: Loading,
  at: ComposeNode,
  chain: readonly string[] = [],
): ComposeNode {
  const { file, directory, named } = services;
  const written = named.get(name);
  if (!written) throw composeError(`there is no service ${name}`, at);
  const own = movedService(written, directory);
  const wanted = member(written, 'extends');
  if (!wanted) return own;
  const link = JSON.stringify([file, name]);
  if (chain.includes(link)) throw composeError(`${name} extends itself`, wanted);
  if (chain.length > MOST_IN_ROW)
    throw composeError(`${name} is extended too often in a row`, wanted);
  const service = wanted.content instanceof Map ? member(wanted, 'service') : wanted;
  if (!service) throw composeError('extends has no service', wanted, 'write service: NAME');
  const elsewhere = member(wanted, 'file');
  let from = services;
  if (elsewhere) {
    const path = fileOf(composeText(elsewhere, 'file'), elsewhere, directory);
    const other = mergeCompose([open(path, elsewhere, lookUp, loading)]);
    from = {
      file: path,
      directory: posix.dirname(path),
      named: members(member(other, 'services'), 'services'),
    };
  }
  const base = resolveService(from, composeText(service, 'extends'), lookUp, loading, wanted, [
    ...chain,
    link,
  ]);
  const entries = [...members(own, name)].filter(([field]) => field !== 'extends');
  return mergeNodes(base, withMembers(own, entries), '');
}

/** A build without a context is that of its project's directory. */
function withContext(service: ComposeNode, { directory }: Project): ComposeNode {
  const build = member(service, 'build');
  if (!build || directory === '.' || member(build, 'context')) return service;
  const context: ComposeNode = { at: build.at, content: directory };
  const whole = withMembers(build, [...members(build, 'build'), ['context', context]]);
  return withMembers(service, [...members(service, 'service'), ['build', whole]]);
}

/** What `.env` of a project says, or the files that `env_file` names; the project that includes it counts first. */
function withVariables(
  lookUp: LookUp,
  directory: string,
  given: ComposeNode | undefined,
  base: string,
  { others }: Loading,
): LookUp {
  const files = given
    ? composeTexts(given, 'env_file').map((path) => others.read(inside(base, path)))
    : [others.readIfThere(inside(directory, '.env'))];
  const known = new Map<string, string>();
  for (const file of files)
    if (file)
      for (const [name, value] of parseDotEnv(file.name, file.text, lookUp)) known.set(name, value);
  return (name) => lookUp(name) ?? known.get(name);
}

/** An item of `include`: a path, or a map with `path`, `project_directory` and `env_file`. */
function loadIncluded(item: ComposeNode, project: Project, loading: Loading): ComposeNode {
  const isLong = item.content instanceof Map;
  const written = isLong ? member(item, 'path') : item;
  const paths = composeTexts(written, 'path').map((path) => fileOf(path, item, project.directory));
  const [first] = paths;
  if (first === undefined) throw composeError('include has no path', item, 'write path: FILE');
  const again = paths.find((path) => project.path.includes(path));
  if (again !== undefined) throw composeError(`${again} includes itself`, item);
  const wanted = member(item, 'project_directory');
  const directory = wanted
    ? inside(project.directory, composeText(wanted, 'project_directory'))
    : posix.dirname(first);
  const variables = member(item, 'env_file');
  const lookUp = withVariables(project.lookUp, directory, variables, project.directory, loading);
  const files = paths.map((path) => open(path, item, lookUp, loading));
  return loadProject(files, { directory, lookUp, path: [...project.path, ...paths] }, loading);
}

/** Adds what is included; nothing is replaced. @throws BakeFileError for two of one name that differ */
function addIncluded(
  own: ReadonlyMap<string, ComposeNode>,
  included: ReadonlyMap<string, ComposeNode>,
  what: string,
): Map<string, ComposeNode> {
  const all = new Map(own);
  for (const [name, node] of included) {
    const before = all.get(name);
    if (before && !isSame(before, node))
      throw composeError(
        `the ${what} ${name} is in a file that is included, and something else here`,
        before,
        'give one of them another name',
      );
    all.set(name, node);
  }
  return all;
}

function loadProject(
  files: readonly ComposeNode[],
  project: Project,
  loading: Loading,
): ComposeNode {
  const merged = mergeCompose(files);
  const written = member(merged, 'services');
  const named = members(written, 'services');
  const source = { file: project.path.join(), directory: project.directory, named };
  let services = new Map<string, ComposeNode>();
  for (const [name, node] of named) {
    const service = resolveService(source, name, project.lookUp, loading, node);
    services.set(name, withContext(service, project));
  }
  let secrets = new Map<string, ComposeNode>();
  for (const [name, secret] of members(member(merged, 'secrets'), 'secrets'))
    secrets.set(name, movedSecret(secret, project.directory));
  const includes = member(merged, 'include');
  const items = Array.isArray(includes?.content) ? includes.content : [];
  if (includes && !Array.isArray(includes.content))
    throw composeError('include is no list', includes);
  for (const item of items) {
    const other = loadIncluded(item, project, loading);
    services = addIncluded(services, members(member(other, 'services'), 'services'), 'service');
    secrets = addIncluded(secrets, members(member(other, 'secrets'), 'secrets'), 'secret');
  }
  return withMembers(merged, [
    ...members(merged, 'file'),
    ['services', withMembers(written ?? merged, services)],
    ['secrets', withMembers(merged, secrets)],
  ]);
}

/**
 * The files as one, with all that they include and extend.
 * @param files in their order; paths in them begin where those of the targets do
 * @param lookUp variables, for what is read beside them
 * @param onUnset told of variables in such files that are not set
 * @throws BakeFileError, UsageError
 */
export function loadCompose(
  files: readonly ComposeNode[],
  lookUp: LookUp,
  onUnset: OnUnset,
  others: OtherFiles,
): ComposeNode {
  const loading = { others, onUnset, files: 0, characters: 0 };
  return withoutResets(loadProject(files, { directory: '.', lookUp, path: [] }, loading));
}
