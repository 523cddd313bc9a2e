/** FetchStep: finds out what a remote source is now, and makes a layer of it. */
import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { NO_TIME, stampTree } from '../../fs/layer/settle-times.js';
import type { FetchStep } from '../../plan/step.js';
import type { Draft } from '../../store/layers/layer-store.js';
import type { DownloadRecord } from '../../store/records.js';
import { checkpoint } from '../../util/checkpoint.js';
import type { BuildSession } from '../build-session.js';
import { checkOut, resolveCommit } from './fetch-git.js';
import { downloadFile } from './fetch-http.js';

/** What identifies the content: the digest of a file, the commit of a repository. */
export async function remoteIdentity(session: BuildSession, step: FetchStep): Promise<string> {
  const { source, location, id } = step;
  const credentials = session.credentials(id);
  if (source.type === 'git')
    return resolveCommit({ source, credentials, environment: process.env, location });
  // A checksum says what the content is; it is looked at when the file is really needed.
  if (source.checksum !== undefined) return source.checksum;
  const target = downloadPath(session, id);
  const known = session.skipsCache(step)
    ? undefined
    : session.store.index.downloads.get(source.url);
  const { limits } = session.store;
  const request = { source, credentials, limits, location };
  const download = await downloadFile(request, target, known);
  if (download.written) await remember(session, source.url, download);
  return download.digest;
}

function downloadPath(session: BuildSession, id: string): string {
  return join(session.scratch(), `download-${id}`);
}

async function remember(
  session: BuildSession,
  url: string,
  { digest, etag, lastModified }: DownloadRecord,
): Promise<void> {
  await session.store.index.downloads.put(url, { digest, etag, lastModified });
}

/** Puts the content into the draft. @throws ContextError */
export async function executeFetch(
  session: BuildSession,
  draft: Draft,
  step: FetchStep,
  identity: string,
): Promise<void> {
  const { source, location, id } = step;
  const credentials = session.credentials(id);
  if (source.type === 'git') {
    const request = { source, credentials, environment: process.env, location };
    await checkOut(request, identity, draft.path, draft.diff);
    return;
  }
  const file = downloadPath(session, id);
  const { limits } = session.store;
  const download = await downloadFile({ source, credentials, limits, location }, file, undefined);
  checkpoint('fetch:downloaded');
  await remember(session, source.url, download);
  const target = join(draft.diff, source.name);
  renameSync(file, target);
  checkpoint('fetch:moved');
  const modified =
    download.lastModified === undefined ? Number.NaN : Date.parse(download.lastModified);
  // Nothing else is in the layer.
  stampTree(draft.diff, Number.isNaN(modified) ? NO_TIME : modified / 1000);
  rmSync(file, { force: true });
}
