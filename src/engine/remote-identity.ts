/** What a remote source of an ADD is now: it decides the step's key. */
import { join } from 'node:path';
import type { FetchStep } from '../plan/step.js';
import { resolveContent } from '../sources/fetch-git.js';
import { downloadFile } from '../sources/fetch-http.js';
import { gitAgent } from '../sources/git-agent.js';
import { findDownload, noteDownload } from '../store/entries/downloads.js';
import { counting } from '../util/byte-counter.js';
import type { LookupSession } from './build-session.js';
import { getCounter } from './transfers.js';

/** What identifies the content: the digest of a file, the commit of a repository. @throws ContextError; the signal's reason */
export async function remoteIdentity(session: LookupSession, step: FetchStep): Promise<string> {
  const { source, location, id } = step;
  const { store, environment, sshAgent, scratch, signal } = session;
  // Nobody is asked: that is looked at when the content is really needed.
  if (step.locked) return step.locked.content;
  const credentials = session.credentials(id);
  if (source.type === 'git') {
    const agent = gitAgent(sshAgent, scratch);
    return resolveContent({ source, credentials, environment, agent, signal, location });
  }
  // A checksum says what the content is; it is looked at when the file is really needed.
  if (source.checksum !== undefined) return source.checksum;
  const target = join(session.scratch(), `download-${id}`);
  const known = session.skipsCache(step) ? undefined : findDownload(store, source.url);
  const counter = getCounter(session, 'add', source.url);
  const download = await counting(counter, undefined, (onBytes) => {
    const { limits } = store;
    const request = { source, credentials, limits, environment, signal, location, onBytes };
    return downloadFile(request, target, known);
  });
  if (download.written) await noteDownload(store, source.url, download);
  return download.digest;
}
