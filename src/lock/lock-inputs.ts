/** The inputs of a Dockerfile from the network, each with the instructions that use it. Pure. */
import type { Dockerfile } from '../dockerfile/ast.js';
import { parseReference } from '../oci/reference.js';
import type { Credentials } from '../plan/git-url.js';
import type { Remote, RemoteSource } from '../plan/remote.js';
import type { SourceLocation } from '../util/errors.js';
import { withoutCredentials } from '../util/redact.js';
import { oneLine } from './allow-network.js';
import { imageIdentity, ownDigest, remoteIdentity } from './identify.js';
import type { LockedSource, SourceIdentity } from './lock-file.js';
import { sourceKey } from './lock-file.js';

/** Something that a build takes from elsewhere. */
export interface LockInput {
  readonly identity: SourceIdentity;
  /** What the plan asks for: the reference as the Dockerfile has it; a source of ADD. */
  readonly asked:
    | { readonly reference: string; readonly platform: string }
    | { readonly remote: Remote };
  /** The first instruction that uses it; undefined: the command line. */
  readonly location: SourceLocation | undefined;
  /** As lock files have it. */
  readonly usedBy: readonly string[];
}

/** What the Dockerfile itself says the input is: a digest, a checksum. */
export function ownValue({ asked }: LockInput): string | undefined {
  return 'remote' in asked
    ? asked.remote.source.checksum
    : ownDigest(parseReference(asked.reference));
}

/** More of an instruction says no more about which one it is. */
const MAX_USE = 100;

/**
 * The instruction at a place as a lock file names it: with its stage, if that has a name. Numbers of
 * lines and stages would change with every edit.
 */
export function describeUse({ instructions }: Dockerfile, location: SourceLocation): string {
  let stage: string | undefined;
  for (const instruction of instructions) {
    if (instruction.kind === 'from') stage = instruction.name;
    if (instruction.location.line !== location.line) continue;
    const text = oneLine(withoutCredentials(instruction.original));
    const short = text.length > MAX_USE ? `${text.slice(0, MAX_USE)}...` : text;
    return stage === undefined ? short : `${stage}: ${short}`;
  }
  return '';
}

/** Inputs as they are found, each once. */
export interface InputCollector {
  readonly image: (reference: string, platform: string, location: SourceLocation) => void;
  readonly remote: (remote: Remote, location: SourceLocation) => void;
  /** User and password for the server of a source that was added. */
  readonly credentials: (source: RemoteSource, credentials: Credentials) => void;
  readonly inputs: () => LockInput[];
}

/** An empty collection. */
export function collectInputs(dockerfile: Dockerfile): InputCollector {
  const found = new Map<string, LockInput & { readonly uses: Set<string> }>();
  const add = (
    identity: SourceIdentity,
    asked: LockInput['asked'],
    location: SourceLocation,
  ): void => {
    const key = sourceKey(identity);
    const known = found.get(key) ?? { identity, asked, location, usedBy: [], uses: new Set() };
    known.uses.add(describeUse(dockerfile, location));
    found.set(key, known);
  };
  return {
    image: (reference, platform, location) =>
      add(imageIdentity(reference, platform), { reference, platform }, location),
    remote: (remote, location) => add(remoteIdentity(remote.source), { remote }, location),
    credentials: (source, credentials) => {
      const key = sourceKey(remoteIdentity(source));
      const known = found.get(key);
      if (known) found.set(key, { ...known, asked: { remote: { source, credentials } } });
    },
    inputs: () =>
      [...found.values()].map(({ uses, ...input }) => ({ ...input, usedBy: [...uses].sort() })),
  };
}

/** Which sources of a lock file are to be renewed: all, those that were named, or none. */
export type Renewal = 'all' | readonly string[];

/** Does a name of the command line mean a source? */
export function isNamed(name: string, source: SourceIdentity): boolean {
  if (source.kind !== 'image') return source.name === name || source.name === `${name}.git`;
  const familiar = (text: string) => text.replace(/^docker\.io\/(?:library\/(?=[^/]+$))?/, '');
  const full = familiar(source.name);
  const withoutTag = full.replace(/(?::[^:/@]+)?(?:@.*)?$/, '');
  return [full, full.replace(/:latest$/, ''), withoutTag].includes(familiar(name));
}

/** Is a source to be renewed? */
export function isRenewed(renewal: Renewal, source: LockedSource): boolean {
  return renewal === 'all' || renewal.some((name) => isNamed(name, source));
}
