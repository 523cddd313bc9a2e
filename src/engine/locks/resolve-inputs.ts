/** What an input is now: asked where it comes from. */
import { join } from 'node:path';
import type { LockedSource } from '../../lock/lock-file.js';
import type { LockInput } from '../../lock/lock-inputs.js';
import { isContainersStorage } from '../../oci/reference.js';
import type { Remote } from '../../plan/remote.js';
import { resolveRef } from '../../sources/fetch-git.js';
import { gitAgent } from '../../sources/git-agent.js';
import { findDownload, noteDownload } from '../../store/entries/downloads.js';
import type { Store } from '../../store/store.js';
import type { PlanImages } from '../images/plan-images.js';
import type { LockRequest } from './find-inputs.js';
import { imageDigests } from './image-digests.js';
import { pushedDigests } from './pushed-image.js';

/** Where downloads go for as long as they are needed, and who stops them. */
export interface ResolveSession {
  readonly store: Store;
  readonly request: LockRequest;
  readonly scratch: () => string;
  readonly signal: AbortSignal;
}

async function resolveRemote(
  { store, request, scratch, signal }: ResolveSession,
  { identity, location, usedBy }: LockInput,
  { source, credentials }: Remote,
): Promise<LockedSource> {
  const { environment = {}, sshAgent } = request;
  const asked = { credentials, environment, signal, location };
  if (identity.kind === 'git' && source.type === 'git') {
    const agent = gitAgent(sshAgent, scratch);
    const { commit, tag } = await resolveRef({ ...asked, agent, source });
    return { ...identity, kind: 'git', commit, tag, usedBy };
  }
  if (identity.kind !== 'http' || source.type !== 'http') throw new Error('another kind of source');
  // The Dockerfile says it; a build looks whether it is so.
  if (source.checksum !== undefined)
    return { kind: 'http', name: identity.name, checksum: source.checksum, usedBy };
  const { downloadFile } = await import('../../sources/fetch-http.js');
  const file = join(scratch(), 'download');
  const known = findDownload(store, source.url);
  const download = await downloadFile({ ...asked, source, limits: store.limits }, file, known);
  if (download.written) await noteDownload(store, source.url, download);
  return { kind: 'http', name: identity.name, checksum: download.digest, usedBy };
}

/**
 * An input as a lock file has it.
 * @returns undefined for an image that no other machine could ask for by its digest
 * @throws ContextError
 */
export async function resolveInput(
  session: ResolveSession,
  input: LockInput,
  images: PlanImages,
): Promise<LockedSource | undefined> {
  const { asked, identity, usedBy } = input;
  if ('remote' in asked) return resolveRemote(session, input, asked.remote);
  const image = images.get(asked);
  if (!image || isContainersStorage(asked.reference) || identity.kind !== 'image') return undefined;
  const { store, request } = session;
  const digests = imageDigests(image) ?? (await pushedDigests(store, asked, image, request));
  if (!digests) return undefined;
  return { ...identity, ...digests, usedBy };
}
