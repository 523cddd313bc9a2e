/** Carries out what an ADD fetches: a file of the web, or a repository, becomes a layer of its own. */
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { NO_TIME, stampTree } from '../../fs/layer/settle-times.js';
import type { HttpSource } from '../../plan/remote.js';
import type { FetchStep } from '../../plan/step.js';
import { checkOut } from '../../sources/fetch-git.js';
import { downloadFile } from '../../sources/fetch-http.js';
import { gitAgent } from '../../sources/git-agent.js';
import { findDownload, noteDownload } from '../../store/entries/downloads.js';
import type { Draft } from '../../store/layers/layer-store.js';
import type { DownloadRecord } from '../../store/records.js';
import { checkpoint } from '../../util/checkpoint.js';
import { ContextError, LockError } from '../../util/errors.js';
import type { ExecutionIo } from '../executor.js';
import type { LocalMachine } from './local-machine.js';

/**
 * The file with the content that the step's key says. The look-up has fetched it, unless the server
 * said that it is still the one of a former build.
 */
async function fetchedFile(
  { store, environment }: Pick<LocalMachine, 'store' | 'environment'>,
  { location, locked }: FetchStep,
  source: HttpSource,
  file: string,
  identity: string,
  { credentials, signal, onBytes }: Pick<ExecutionIo, 'credentials' | 'signal' | 'onBytes'>,
): Promise<DownloadRecord> {
  const known = findDownload(store, source.url);
  if (existsSync(file) && known?.digest === identity) return known;
  const { limits } = store;
  const request = { source, credentials, limits, environment, signal, location, onBytes };
  const download = await downloadFile(request, file, undefined);
  if (download.digest !== identity) {
    if (locked)
      throw new LockError(
        `${source.url} has the digest ${download.digest}, ${locked.by} says ${identity}`,
        location,
        { hint: `if the new one is right: wiac build --lock=update=${source.url}` },
      );
    throw new ContextError(`${source.url} changed while the build ran`, location, {
      hint: 'run the build again, or say with --checksum which content it has to have',
    });
  }
  await noteDownload(store, source.url, download);
  return download;
}

/**
 * Puts the content into the draft.
 * @param identity the commit of a repository, or the digest of a file
 * @throws ContextError; the signal's reason
 */
export async function executeFetch(
  machine: LocalMachine,
  draft: Draft,
  step: FetchStep,
  identity: string,
  io: Pick<ExecutionIo, 'credentials' | 'signal' | 'onBytes' | 'sshAgent'>,
): Promise<void> {
  const { source, location, id } = step;
  if (source.type === 'git') {
    const { credentials, signal } = io;
    const { environment } = machine;
    const agent = gitAgent(io.sshAgent, () => draft.path);
    const request = { source, credentials, environment, agent, signal, location };
    await checkOut(request, identity, draft.path, draft.diff).catch((error: unknown) => {
      if (!step.locked || !(error instanceof ContextError)) throw error;
      throw new LockError(
        `${error.message}; ${step.locked.by} says that it is commit ${identity}`,
        location,
        {
          hint: `if that commit is gone: wiac build --lock=update=${source.url}`,
          cause: error,
        },
      );
    });
    return;
  }
  const file = join(machine.scratch(), `download-${id}`);
  const download = await fetchedFile(machine, step, source, file, identity, io);
  checkpoint('fetch:downloaded');
  renameSync(file, join(draft.diff, source.name));
  checkpoint('fetch:moved');
  const modified =
    download.lastModified === undefined ? Number.NaN : Date.parse(download.lastModified);
  // Nothing else is in the layer.
  stampTree(draft.diff, Number.isNaN(modified) ? NO_TIME : modified / 1000);
  rmSync(file, { force: true });
}
