/** Compose files: each service that is built is a target (Compose Build Specification). */
import { basename, isAbsolute, posix } from 'node:path';
import { UnsupportedError } from '../util/errors.js';
import type { Definition, Entry, EntryField, Fields, WrittenTarget } from './bake-target.js';
import {
  composePairs,
  composeSwitch,
  composeText,
  composeTexts,
  member,
  members,
} from './compose-values.js';
import { extendsBake } from './compose-x-bake.js';
import type { ComposeNode } from './compose-yaml.js';
import { composeError } from './compose-yaml.js';
import { FieldError, parseEntry } from './field-entries.js';
import type { LookUp } from './interpolate.js';
import { isLocalPath } from './local-paths.js';

/** How compose files are read. */
export interface ComposeOptions {
  readonly lookUp: LookUp;
  /** `wiac compose build`: names of images without `image`, and where relative paths begin. */
  readonly project?:
    | {
        /** Undefined: what the file says, else the name of the directory. */
        readonly name: string | undefined;
        readonly directory: string;
      }
    | undefined;
  /** `~` in paths, as compose reads it. */
  readonly home: string | undefined;
}

const KNOWN = [
  ...['context', 'dockerfile', 'dockerfile_inline', 'args', 'ssh', 'cache_from', 'cache_to'],
  ...['additional_contexts', 'extra_hosts', 'isolation', 'privileged', 'labels', 'no_cache'],
  ...['pull', 'network', 'shm_size', 'target', 'secrets', 'tags', 'ulimits', 'platforms'],
  ...['entitlements', 'provenance', 'sbom', 'no_cache_filter'],
];

/** As compose has it. What is printed of a target is a line that begins with its name. */
const SERVICE_NAME = /^[a-zA-Z0-9._-]+$/;

/** Names of targets have no dots. */
export function targetName(service: string): string {
  return service.replaceAll('.', '_');
}

/** A path as the target has it. */
function pathOf(text: string, { project, home }: ComposeOptions): string {
  const path = home === undefined ? text : text.replace(/^~(?=\/|$)/, home);
  if (!project || !isLocalPath(path) || isAbsolute(path)) return path;
  return posix.join(project.directory, path);
}

/** `service:NAME` is a target. */
function contextOf(text: string, options: ComposeOptions): string {
  if (text.startsWith('service:')) return `target:${targetName(text.slice('service:'.length))}`;
  return pathOf(text, options);
}

function entries(
  node: ComposeNode | undefined,
  field: EntryField,
  texts: readonly string[],
): Entry[] {
  return texts.map((text) => {
    try {
      return parseEntry(field, text);
    } catch (error) {
      if (error instanceof FieldError && node) throw composeError(error.message, node, error.hint);
      throw error;
    }
  });
}

/** `nofile: 1024`, or `nofile: {soft: 1024, hard: 2048}`. */
function ulimits(node: ComposeNode | undefined): string[] {
  return [...members(node, 'ulimits')].map(([name, limit]) => {
    const [soft, hard] = [member(limit, 'soft'), member(limit, 'hard')];
    if (!soft || !hard) {
      const single = composeText(limit, `ulimits.${name}`);
      return `${name}=${single}:${single}`;
    }
    return `${name}=${composeText(soft, 'soft')}:${composeText(hard, 'hard')}`;
  });
}

function secretOf(
  node: ComposeNode,
  secrets: ComposeNode | undefined,
  options: ComposeOptions,
): Entry {
  const source = node.content instanceof Map ? member(node, 'source') : node;
  const name = source ? composeText(source, 'secret') : '';
  const declared = member(secrets, name);
  if (!declared)
    throw composeError(`there is no secret ${name}`, node, `declare it below secrets: ${name}:`);
  if (composeSwitch(member(declared, 'external'), 'external'))
    throw composeError(`the secret ${name} is external`, declared, 'give it a file or a variable');
  const target = member(node, 'target');
  const file = member(declared, 'file');
  const variable = member(declared, 'environment');
  if (!file && !variable)
    throw composeError(`the secret ${name} has neither file nor environment`, declared);
  return new Map([
    ['id', target ? composeText(target, 'target') : name],
    ...(file ? [['src', pathOf(composeText(file, 'file'), options)] as const] : []),
    ...(variable ? [['env', composeText(variable, 'environment')] as const] : []),
  ]);
}

/** Arguments without a value are those of the service, or of the environment. */
function buildArguments(
  node: ComposeNode | undefined,
  environment: ReadonlyMap<string, string | null>,
  lookUp: LookUp,
): Map<string, string> {
  const given = [...composePairs(node, 'args')];
  return new Map(
    given.flatMap(([name, value]): [string, string][] => {
      const found = value ?? environment.get(name) ?? lookUp(name);
      return found === undefined || found === null ? [] : [[name, found]];
    }),
  );
}

/** `true`, `false` or attributes, as --provenance and --sbom have them. */
function attestations(build: ComposeNode): Entry[] {
  return ['sbom', 'provenance'].flatMap((type) => {
    const node = member(build, type);
    if (!node) return [];
    const text = composeText(node, type);
    if (text === 'true') return entries(node, 'attest', [`type=${type}`]);
    if (text === 'false') return entries(node, 'attest', [`type=${type},disabled=true`]);
    return entries(node, 'attest', [`type=${type},${text}`]);
  });
}

/** Members that there are, by their names in bake files. */
function present(fields: { readonly [Name in keyof Fields]: Fields[Name] | undefined }): Fields {
  const there = Object.entries(fields).filter(([, value]) => {
    if (value === undefined) return false;
    if (Array.isArray(value)) return value.length > 0;
    return !(value instanceof Map) || value.size > 0;
  });
  return Object.fromEntries(there) as Fields;
}

/** The names of `wiac compose build`: that of the image, made up if need be, and those of `tags`. */
function projectTags(
  name: string,
  image: string | undefined,
  tags: readonly string[],
  { project }: ComposeOptions,
): readonly string[] {
  return project?.name === undefined ? tags : [image ?? `${project.name}-${name}`, ...tags];
}

/** Those of `build`, else that of the service: what is built is what runs. @throws BakeFileError */
function platformsOf(service: ComposeNode, build: ComposeNode): string[] {
  const node = member(build, 'platforms');
  const platforms = composeTexts(node, 'platforms');
  const own = member(service, 'platform');
  if (!own) return platforms;
  const platform = composeText(own, 'platform');
  if (!node || platforms.length === 0) return [platform];
  if (platforms.includes(platform)) return platforms;
  throw composeError(
    `the service is for ${platform}, and its build is not`,
    node,
    `add ${platform} to platforms`,
  );
}

/** Names and addresses; that of IPv6 may be in brackets. */
function extraHosts(node: ComposeNode | undefined): Map<string, string | null> {
  const pairs = composePairs(node, 'extra_hosts', /[=:]/);
  return new Map(
    [...pairs].map(([name, value]) => [name, value?.replace(/^\[(.*)\]$/, '$1') ?? null]),
  );
}

function refuseUnsupported(build: ComposeNode): void {
  const privileged = member(build, 'privileged');
  if (composeSwitch(privileged, 'privileged'))
    throw new UnsupportedError('privileged builds are not supported', privileged?.at, {
      hint: 'write entitlements: [security.insecure], and RUN --security=insecure',
    });
  const inline = member(build, 'dockerfile_inline');
  if (inline && member(build, 'dockerfile'))
    throw composeError(
      'build has both dockerfile and dockerfile_inline',
      inline,
      'write one of them',
    );
  for (const [name, node] of members(build, 'build'))
    if (!KNOWN.includes(name) && !name.startsWith('x-'))
      throw composeError(`build has no ${name}`, node, KNOWN.join(', '));
}

function readService(
  name: string,
  service: ComposeNode,
  build: ComposeNode,
  secrets: ComposeNode | undefined,
  options: ComposeOptions,
): WrittenTarget {
  refuseUnsupported(build);
  const of = (key: string) => member(build, key);
  const text = (key: string) => {
    const node = of(key);
    return node && composeText(node, key);
  };
  const context = text('context');
  const imageNode = member(service, 'image');
  const image = imageNode && composeText(imageNode, 'image');
  const contexts = composePairs(of('additional_contexts'), 'additional_contexts');
  const environment = composePairs(member(service, 'environment'), 'environment');
  const ssh = [...composePairs(of('ssh'), 'ssh')].map(([id, path]) =>
    path === null ? id : `${id}=${pathOf(path, options)}`,
  );
  const secretNodes = of('secrets')?.content;
  const fields = present({
    attest: attestations(build),
    context: context === undefined ? undefined : pathOf(context, options),
    contexts: new Map([...contexts].map(([key, value]) => [key, contextOf(value ?? '', options)])),
    dockerfile: text('dockerfile'),
    'dockerfile-inline': text('dockerfile_inline'),
    args: buildArguments(of('args'), environment, options.lookUp),
    labels: new Map(
      [...composePairs(of('labels'), 'labels')].map(([key, value]) => [key, value ?? '']),
    ),
    tags: projectTags(name, image, composeTexts(of('tags'), 'tags'), options),
    'cache-from': entries(
      of('cache_from'),
      'cache-from',
      composeTexts(of('cache_from'), 'cache_from'),
    ),
    'cache-to': entries(of('cache_to'), 'cache-to', composeTexts(of('cache_to'), 'cache_to')),
    target: text('target'),
    secret: (Array.isArray(secretNodes) ? secretNodes : []).map((node) =>
      secretOf(node, secrets, options),
    ),
    ssh: entries(of('ssh'), 'ssh', ssh.sort()),
    platforms: platformsOf(service, build),
    pull: composeSwitch(of('pull'), 'pull') || undefined,
    'no-cache': composeSwitch(of('no_cache'), 'no_cache') || undefined,
    'no-cache-filter': composeTexts(of('no_cache_filter'), 'no_cache_filter'),
    network: text('network'),
    'shm-size': text('shm_size'),
    ulimits: ulimits(of('ulimits')),
    entitlements: composeTexts(of('entitlements'), 'entitlements'),
    'extra-hosts': extraHosts(of('extra_hosts')),
  });
  const extended = extendsBake(fields, member(build, 'x-bake'), entries);
  // As buildx has it: other tags stand in its place.
  const named = image === undefined || extended.tags ? extended : { ...extended, tags: [image] };
  return { name: targetName(name), inherits: [], fields: named };
}

/** A name as compose makes one: small letters, digits, _ and -. */
function projectName(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9_-]/g, '')
    .replace(/^[_-]+/, '');
}

/**
 * What the project of these files is called.
 * @param project its name, when it has one from elsewhere
 * @param files the last one that says it counts
 */
export function nameOfProject(
  { name, directory }: NonNullable<ComposeOptions['project']>,
  files: readonly ComposeNode[],
): string {
  const written = member(
    files.findLast((file) => member(file, 'name')),
    'name',
  );
  return projectName(name ?? (written ? composeText(written, 'name') : basename(directory)));
}

/** The options with the name of the project, if there is one. */
function withProject(options: ComposeOptions, file: ComposeNode): ComposeOptions {
  const { project } = options;
  if (!project) return options;
  return { ...options, project: { ...project, name: nameOfProject(project, [file]) } };
}

/** What `isolation` says is about Windows. */
function notes(name: string, build: ComposeNode): string[] {
  const isolation = member(build, 'isolation');
  return isolation ? [`${name}: isolation changes nothing: it is for Windows containers`] : [];
}

/**
 * The services that are built, as targets in the group `default`.
 * @param merged all files as one, as loadCompose makes it
 * @param isActive is a service with these profiles part of the project?
 * @throws BakeFileError, UnsupportedError
 */
export function readCompose(
  merged: ComposeNode,
  options: ComposeOptions,
  isActive: (profiles: readonly string[]) => boolean = () => true,
): Definition {
  const known = withProject(options, merged);
  const all = members(member(merged, 'services'), 'services');
  const secrets = member(merged, 'secrets');
  const targets: WrittenTarget[] = [];
  const inGroup: string[] = [];
  const warnings: string[] = [];
  const unbuilt: string[] = [];
  for (const [name, service] of all) {
    const build = member(service, 'build');
    if (!build) {
      unbuilt.push(name);
      continue;
    }
    if (!SERVICE_NAME.test(name))
      throw composeError(
        `service ${JSON.stringify(name)}: that is no name`,
        service,
        'a name has letters, digits, . _ and -',
      );
    warnings.push(...notes(name, build));
    const target = readService(name, service, build, secrets, known);
    targets.push(target);
    const profiles = composeTexts(member(service, 'profiles'), 'profiles');
    if (isActive(profiles)) inGroup.push(target.name);
  }
  return {
    targets,
    // The group is there even when it is empty: a project that builds nothing is no mistake.
    groups: [{ name: 'default', targets: inGroup }],
    variables: [],
    warnings,
    unbuilt,
  };
}
