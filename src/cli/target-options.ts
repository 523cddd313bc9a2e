/** From the fields of a target to what `wiac build` calls options. */
import type { BakeTarget, Entry, EntryField, Fields } from '../bake/bake-target.js';
import { linkedTarget } from '../bake/bake-target.js';
import { formatEntry } from '../bake/field-entries.js';
import { dockerfilePath, withoutScheme } from '../bake/local-paths.js';
import type { Isolation } from '../executor/local/container.js';
import type { RegistryOptions } from '../oci/registry/registry.js';
import type { Entitlement } from '../plan/plan.js';
import { UnsupportedError, UsageError } from '../util/errors.js';
import type { ExecutionOptions } from './build-command.js';
import type { OutputOptions } from './build-outputs.js';

/** What the command line says for all targets. */
export interface SharedOptions {
  readonly isolation: Isolation;
  readonly runtime?: string;
  readonly metadataFile?: string;
  /** How registries are reached. */
  readonly registry: RegistryOptions;
}

/** A target as `wiac build` would be told of it. */
export interface TargetOptions {
  readonly context: string;
  readonly options: ExecutionOptions & OutputOptions;
  readonly dockerfileText: string | undefined;
  /** Names of targets by those of contexts. */
  readonly needs: ReadonlyMap<string, string>;
  readonly notices: readonly string[];
}

function pairs(words: Fields['args']): string[] {
  return [...(words ?? [])].flatMap(([name, value]) =>
    value === null ? [] : [`${name}=${value}`],
  );
}

function formatted(field: EntryField, entries: readonly Entry[] | undefined): string[] {
  return (entries ?? []).map((entry) => formatEntry(field, entry));
}

function network(
  name: string,
  { network: wanted = 'default' }: Fields,
): 'default' | 'none' | 'host' {
  if (wanted === 'default' || wanted === 'none' || wanted === 'host') return wanted;
  throw new UnsupportedError(`${name}: there is no network ${wanted}`, undefined, {
    hint: 'write default, none or host',
  });
}

/** An image for a daemon that is not there. */
function isLoaded(entry: Entry): boolean {
  return entry.get('type') === 'docker' && !entry.has('dest');
}

const IMAGES = ['image', 'registry', 'oci', 'docker'];

interface Outputs {
  readonly output: readonly string[];
  readonly attest: readonly string[];
  readonly annotation: readonly string[];
  readonly notices: readonly string[];
}

/** Only what is written as an image has attestations and annotations. */
function outputs(name: string, { output = [], attest = [], annotations = [] }: Fields): Outputs {
  const kept = output.filter((entry) => !isLoaded(entry));
  const isImage = kept.some((entry) => IMAGES.includes(entry.get('type') ?? ''));
  const wanted = attest.filter((entry) => entry.get('disabled') !== 'true');
  const idle = isImage
    ? []
    : [
        ...(wanted.length > 0 ? ['attest'] : []),
        ...(annotations.length > 0 ? ['annotations'] : []),
      ];
  return {
    output: formatted('output', kept),
    attest: isImage ? formatted('attest', attest) : [],
    annotation: isImage ? annotations : [],
    notices: [
      ...(kept.length < output.length
        ? [`${name}: type=docker changes nothing: the result is in wiac's store`]
        : []),
      ...idle.map(
        (field) => `${name}: ${field} changes nothing without an output that is an image`,
      ),
    ],
  };
}

function noCache(fields: Fields): Pick<ExecutionOptions, 'cache' | 'cacheFilter'> {
  const stages = fields['no-cache-filter'];
  return { cache: fields['no-cache'] !== true, ...(stages && { cacheFilter: stages.join(',') }) };
}

function extraHosts(fields: Fields): string[] {
  return [...(fields['extra-hosts'] ?? [])].flatMap(([host, addresses]) =>
    (addresses ?? '').split(',').map((address) => `${host}:${address}`),
  );
}

/** @throws UsageError, UnsupportedError */
export function targetOptions(
  { name, fields, isLinked }: BakeTarget,
  shared: SharedOptions,
): TargetOptions {
  const { context = '.', contexts = new Map<string, string | null>(), dockerfile } = fields;
  const text = fields['dockerfile-inline'];
  if (context === '-' || (text === undefined && dockerfile === '-'))
    throw new UsageError(`${name}: a target reads nothing from standard input`, {
      hint: 'dockerfile-inline is the text of a Dockerfile',
    });
  const needs = new Map<string, string>();
  const named: string[] = [];
  for (const [key, value] of contexts) {
    // It would be part of the value.
    if (key.includes('=')) throw new UsageError(`${name}: ${key} is no name of a context`);
    const other = linkedTarget(value ?? '');
    if (other !== undefined) needs.set(key, other);
    else if (value) named.push(`${key}=${withoutScheme(value)}`);
  }
  const { notices, ...written } = outputs(name, fields);
  // The usual name is looked for as wiac build does: it may be Containerfile.
  const isUsual = dockerfile === undefined || dockerfile === 'Dockerfile';
  const file = isUsual ? undefined : (dockerfilePath(fields) ?? dockerfile);
  return {
    // As buildx has it: an empty context is this directory.
    context: withoutScheme(context) || '.',
    dockerfileText: text,
    needs,
    notices,
    options: {
      ...(file === undefined || text !== undefined ? {} : { file }),
      buildArg: pairs(fields.args),
      ...(fields.target === undefined ? {} : { target: fields.target }),
      label: pairs(fields.labels),
      network: network(name, fields),
      allow: (fields.entitlements ?? []) as readonly Entitlement[],
      buildContext: named,
      ...(fields.pull ? { pull: 'always' as const } : {}),
      requireSigned: [],
      registry: shared.registry,
      addHost: extraHosts(fields),
      ...(fields['shm-size'] === undefined ? {} : { shmSize: fields['shm-size'] }),
      ulimit: fields.ulimits ?? [],
      ...(fields.platforms === undefined ? {} : { platform: fields.platforms.join(',') }),
      ...noCache(fields),
      secret: formatted('secret', fields.secret),
      ssh: formatted('ssh', fields.ssh),
      cacheFrom: formatted('cache-from', fields['cache-from']),
      isolation: shared.isolation,
      ...(shared.runtime === undefined ? {} : { runtime: shared.runtime }),
      ...written,
      push: false,
      // Nobody asked for a target that another one is made of.
      tag: isLinked ? [] : (fields.tags ?? []),
      ...(shared.metadataFile === undefined || isLinked
        ? {}
        : { metadataFile: shared.metadataFile }),
    },
  };
}
