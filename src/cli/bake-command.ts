/** `wiac bake` */
import { randomUUID } from 'node:crypto';
import { missingAllowances, parseAllowances, requireAllowed } from '../bake/allowances.js';
import type { BakeWorld } from '../bake/bake-scope.js';
import type { Definition } from '../bake/bake-target.js';
import type { OtherFiles } from '../bake/load-compose.js';
import { wishesOf } from '../bake/local-paths.js';
import type { Listing } from '../bake/print-targets.js';
import { listTargets, listVariables, printedSelection } from '../bake/print-targets.js';
import { readDefinition } from '../bake/read-definition.js';
import { isRemoteDefinition, remoteSelection } from '../bake/remote-definition.js';
import type { Selection } from '../bake/resolve-targets.js';
import { mergeNamed, selectTargets, withPlatforms } from '../bake/resolve-targets.js';
import { parseOverrides } from '../bake/target-overrides.js';
import { ensurePrivileges } from '../executor/local/privileges.js';
import { formatPlatform, hostPlatform } from '../oci/platform.js';
import { storeRoot } from '../store/paths.js';
import type { LogFormat } from '../ui/log.js';
import { parseBoolean } from '../util/csv-attributes.js';
import { UsageError } from '../util/errors.js';
import type { BakeBuildOptions } from './bake-build.js';
import { otherFiles, readBakeFiles, readDotEnv, realPath } from './bake-files.js';
import { openWarnings } from './build-command.js';
import type { SetExitCode } from './declare/options.js';
import { parsePairs } from './dockerfile-input.js';
import type { RegistryAccessOptions } from './registry-options.js';
import { registryAccess } from './registry-options.js';
import type { RemoteFiles } from './remote-bake-files.js';

/** Options of `wiac bake` and `wiac compose build`, as commander gives them. */
export interface CommonBakeOptions
  extends Omit<BakeBuildOptions, 'registry' | 'requireGranted'>,
    RegistryAccessOptions {
  readonly file?: readonly string[];
  readonly print: boolean;
  readonly push: boolean;
  readonly cache: boolean;
  readonly pull?: boolean;
  readonly provenance?: string;
  readonly sbom?: string;
  readonly builder?: string;
  readonly logFormat: LogFormat;
}

/** Options of `wiac bake`. */
interface BakeOptions extends CommonBakeOptions {
  readonly set: readonly string[];
  readonly var: readonly string[];
  readonly list?: string;
  readonly load: boolean;
  readonly allow: readonly string[];
  readonly call?: string;
  readonly check: boolean;
}

/** An attestation for --set: `true`, `false` or attributes. */
function attestation(type: string, text: string): string {
  const wanted = text === '' || parseBoolean(text);
  if (wanted === undefined) return `*.attest=type=${type},${text}`;
  return `*.attest=type=${type}${wanted ? '' : ',disabled=true'}`;
}

/** What options that are short for --set stand for. */
export function shortOverrides(options: CommonBakeOptions): string[] {
  const { cache, pull, push, provenance, sbom } = options;
  return [
    ...(cache ? [] : ['*.no-cache=true']),
    ...(pull === undefined ? [] : [`*.pull=${pull}`]),
    ...(push ? ['*.push=true'] : []),
    ...(provenance === undefined ? [] : [attestation('provenance', provenance)]),
    ...(sbom === undefined ? [] : [attestation('sbom', sbom)]),
  ];
}

/**
 * What bake files may know of this machine.
 * @param variables of --var
 * @param commandContext BAKE_CMD_CONTEXT
 */
export function bakeWorld(
  variables: Readonly<Record<string, string>> = {},
  commandContext = 'cwd://',
): BakeWorld {
  // As buildx has it: the environment is then for compose files and --set alone.
  const isHidden = parseBoolean(process.env.BUILDX_BAKE_DISABLE_VARS_ENV_LOOKUP ?? '') === true;
  return {
    commandContext,
    ...(isHidden ? { variables } : {}),
    environment: { ...process.env, ...variables },
    platform: formatPlatform(hostPlatform()),
    now: () => new Date(),
    uuid: randomUUID,
    home: process.env.HOME,
  };
}

/** `targets`, `type=variables,format=json` @throws UsageError */
function parseListing(text: string): Listing {
  let type: string | undefined;
  let format: string = 'table';
  for (const field of text.split(',')) {
    const at = field.indexOf('=');
    const [name, value] = at === -1 ? ['type', field] : [field.slice(0, at), field.slice(at + 1)];
    if (name === 'type') type = value;
    else if (name === 'format') format = value;
    else type = undefined;
  }
  if ((type === 'targets' || type === 'variables') && (format === 'table' || format === 'json'))
    return { type, format };
  throw new UsageError(`--list ${text}: not understood`, {
    hint: 'write targets or variables, with ,format=json for programs',
  });
}

/** Answers questions about targets in the place of their builds. */
async function callTargets(
  { targets }: Selection,
  call: string | undefined,
  options: BakeBuildOptions,
  setExitCode: SetExitCode,
): Promise<Selection['targets']> {
  const left: Selection['targets'][number][] = [];
  for (const target of targets) {
    const { callCommand, parseCall } = await import('./call.js');
    const asked = parseCall(call ?? target.fields.call ?? 'build', 'text');
    if (asked.method === 'build') left.push(target);
    else if (!target.isLinked) {
      const { targetOptions } = await import('./target-options.js');
      const { context, options: given } = targetOptions(target, options);
      if (target.fields['dockerfile-inline'] !== undefined)
        throw new UsageError(`${target.name}: --call reads files, not dockerfile-inline`);
      await callCommand(context, asked, given, setExitCode, options.progress === 'github');
    }
  }
  return left.some(({ isLinked }) => !isLinked) ? left : [];
}

/** Builds what was selected, or prints it. @param call --call @param allow what need not be asked for */
export async function buildSelection(
  selection: Selection,
  options: CommonBakeOptions,
  call: string | undefined,
  allow: readonly string[],
  setExitCode: SetExitCode,
  warn: (message: string) => void,
): Promise<void> {
  if (options.print) {
    process.stdout.write(`${JSON.stringify(printedSelection(selection), null, 2)}\n`);
    return;
  }
  const allowed = parseAllowances(allow, realPath);
  const cwd = realPath('.');
  const requireGranted = (targets: Selection['targets']) => {
    const wishes = targets.flatMap(wishesOf);
    requireAllowed(missingAllowances(wishes, allowed, cwd, realPath));
  };
  requireGranted(selection.targets);
  const shared = { ...options, requireGranted, registry: await registryAccess(options) };
  const targets = withPlatforms(await callTargets(selection, call, shared, setExitCode));
  if (targets.length === 0) return;
  const { bakeTargets } = await import('./bake-build.js');
  await bakeTargets(storeRoot(process.env, process.getuid?.() === 0), targets, shared, warn);
}

function list(definition: Definition, { type, format }: Listing): string {
  return type === 'variables'
    ? listVariables(definition.variables, format)
    : listTargets(mergeNamed(definition), format);
}

/** What --set says: what was given by hand is no wish of the file. */
function allowedBySet(given: readonly string[]): string[] {
  return given.flatMap((text) => {
    const value = text.slice(text.indexOf('=') + 1);
    // It takes what the file says away.
    if (value === '') return [];
    const [, field = ''] = text.slice(0, text.indexOf('=')).replace(/\+$/, '').split('.');
    if (field === 'entitlements') return [value];
    if (field === 'network') return value === 'host' ? ['network.host'] : [];
    if (field === 'context' || field === 'contexts') return [`fs.read=${value}`];
    if (!['secrets', 'secret', 'ssh', 'cache-from', 'cache-to', 'output'].includes(field))
      return [];
    const paths = [...value.matchAll(/(?:^|,)(?:src|source|dest|sign-key|trust-key)=([^,]*)/g)].map(
      ([, path]) => path,
    );
    if (field === 'output' && !value.includes('='))
      return value === '-' ? [] : [`fs.write=${value}`];
    return paths.map((path) => `fs=${path}`);
  });
}

/** What stands before the targets: where the definition is, and what BAKE_CMD_CONTEXT is. */
function splitRemote(given: readonly string[]) {
  const [first, second] = given;
  if (first === undefined || !isRemoteDefinition(first)) return { targets: given };
  if (second === undefined || !isRemoteDefinition(second))
    return { remote: first, targets: given.slice(1) };
  return { remote: first, commandContext: second, targets: given.slice(2) };
}

/** A repository of this machine that the command line names may be read. */
function allowedRemote(remote: string | undefined): string[] {
  if (remote === undefined || !/^file:\/\//i.test(remote) || !URL.canParse(remote)) return [];
  const { pathname } = new URL(remote);
  return [`fs.read=${decodeURIComponent(pathname)}`];
}

function localFiles({ file }: BakeOptions, others: OtherFiles): RemoteFiles {
  return { files: readBakeFiles(file), others, place: undefined, close: () => {} };
}

async function fetchFiles(
  remote: string,
  { file }: BakeOptions,
  local: OtherFiles,
): Promise<RemoteFiles> {
  const { readRemoteBakeFiles } = await import('./remote-bake-files.js');
  return readRemoteBakeFiles(remote, file, local);
}

/** Reads the files, and does what is asked for. @throws BakeFileError, UsageError, what a build throws */
export async function bakeCommand(
  given: readonly string[],
  options: BakeOptions,
  setExitCode: SetExitCode,
): Promise<void> {
  const { remote, commandContext, targets } = splitRemote(given);
  const listing = options.list === undefined ? undefined : parseListing(options.list);
  if (!options.print && !listing) {
    const root = storeRoot(process.env, process.getuid?.() === 0);
    const relayed = await ensurePrivileges(root);
    if (relayed !== undefined) return setExitCode(relayed);
  }
  const warn = await openWarnings(options);
  let selection: Selection;
  const world = bakeWorld(parsePairs(options.var, '--var'), commandContext);
  const allow = [...options.allow, ...allowedBySet(options.set), ...allowedRemote(remote)];
  if (process.env.BUILDX_BAKE_ENTITLEMENTS_FS === '0') allow.push('fs=*');
  const dotEnv = readDotEnv('.');
  const allowed = parseAllowances(allow, realPath);
  const requireReadable = (path: string): void =>
    requireAllowed(
      missingAllowances([{ kind: 'fs.read', path }], allowed, realPath('.'), realPath),
    );
  const local = otherFiles('.', requireReadable);
  const found =
    remote === undefined ? localFiles(options, local) : await fetchFiles(remote, options, local);
  try {
    // A link to a file of the user: its values would be seen by steps. What -f names is the user's own wish.
    const isFound = remote === undefined && options.file === undefined;
    for (const { name } of [...(isFound ? found.files : []), ...(dotEnv ? [dotEnv] : [])])
      requireReadable(name);
    const { files, others } = found;
    const definition = await readDefinition({ files, dotEnv, world, others });
    definition.warnings.forEach(warn);
    if (listing) {
      process.stdout.write(list(definition, listing));
      return;
    }
    const named = mergeNamed(definition);
    const set = [
      ...options.set,
      ...shortOverrides(options),
      ...(options.load ? ['*.load=true'] : []),
    ];
    const overrides = parseOverrides(set, [...named.targets.values()], world.environment);
    selection = remoteSelection(selectTargets(named, targets, overrides), found.place);
  } finally {
    found.close();
  }
  const call = options.check ? 'check' : options.call;
  await buildSelection(selection, options, call, allow, setExitCode, warn);
}
