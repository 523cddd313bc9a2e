/**
 * What a writer of a layout directory has written so far, so that the next one can clear up after one
 * that was killed: blobs that no index.json names would stay there for ever. Only blobs that are in
 * such a journal are ever removed; another process may still be writing the others.
 */
import { randomBytes } from 'node:crypto';
import { appendFileSync, closeSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { makeFifos } from '../native/store-files.js';
import { IsolationError } from '../util/errors.js';
import { hasReader, openFifo } from '../util/fifo.js';
import { readRegularFile } from '../util/regular-file.js';
import { isDigest } from './blob-digest.js';
import { blobPath } from './layout-files.js';
import { hasOwnBlobs } from './layout-garbage.js';
import type { Descriptor, Digest } from './resolved-image.js';

/** Beginning of the name of a journal's directory. */
const PREFIX = '.wiac-';

export interface LayoutJournal {
  /** A blob is about to be written that was not there. */
  readonly note: (digest: Digest) => void;
  /** All that was written has its name: nothing is to be cleared up. */
  readonly finish: () => void;
  /** Nothing more is written. */
  readonly close: () => void;
}

type Reference = Pick<Descriptor, 'digest'>;

/** What index.json names, directly and through manifests. @throws when something can't be read */
function referenced(directory: string): Set<Digest> {
  const found = new Set<Digest>();
  const visit = (path: string) => {
    const { config, layers, manifests } = JSON.parse(readRegularFile(path).toString()) as {
      config?: Reference;
      layers?: Reference[];
      manifests?: Reference[];
    };
    for (const { digest } of [...(config ? [config] : []), ...(layers ?? [])]) found.add(digest);
    for (const { digest } of manifests ?? []) {
      if (found.has(digest) || !isDigest(digest)) continue;
      found.add(digest);
      visit(join(directory, blobPath(digest)));
    }
  };
  try {
    visit(join(directory, 'index.json'));
  } catch (error) {
    // Nothing has a name yet: the first writer was killed.
    if ((error as NodeJS.ErrnoException).path !== join(directory, 'index.json')) throw error;
  }
  return found;
}

/** What a journal tells of: a line that is no digest would be a path to anywhere. */
function writtenBlobs(journal: string): Digest[] {
  return readRegularFile(join(journal, 'blobs')).toString().split('\n').filter(isDigest);
}

function removeBlob(directory: string, digest: Digest): void {
  const path = join(directory, blobPath(digest));
  const folder = join(path, '..');
  const name = path.slice(folder.length + 1);
  for (const file of readdirSync(folder)) {
    // Itself, and what was to become it (write-file.ts).
    if (file === name || file.startsWith(`${name}.tmp-`)) rmSync(join(folder, file));
  }
}

/** Clears up after writers that were killed; not while another one is at work. */
function sweep(directory: string, own: string): void {
  const journals = readdirSync(directory).filter((name) => name.startsWith(PREFIX));
  const others = journals.map((name) => join(directory, name)).filter((path) => path !== own);
  if (others.length === 0 || others.some((path) => hasReader(join(path, 'live')))) return;
  if (!hasOwnBlobs(directory)) return;
  const needed = referenced(directory);
  for (const path of others) {
    for (const digest of writtenBlobs(path)) if (!needed.has(digest)) removeBlob(directory, digest);
    rmSync(path, { recursive: true, force: true });
  }
}

/**
 * Begins to write to a layout directory, which is there, and clears up in it.
 * @returns undefined where the file system has no FIFOs: other processes could not tell that this one lives
 */
export async function beginJournal(directory: string): Promise<LayoutJournal | undefined> {
  const path = join(directory, PREFIX + randomBytes(8).toString('hex'));
  mkdirSync(path);
  try {
    await makeFifos(path, ['live']);
  } catch (error) {
    rmSync(path, { recursive: true });
    if (error instanceof IsolationError) throw error;
    return undefined;
  }
  const descriptor = openFifo(join(path, 'live'));
  appendFileSync(join(path, 'blobs'), '');
  try {
    sweep(directory, path);
  } catch {
    // A manifest that can't be read: what it names is not known, so that everything stays.
  }
  return {
    note: (digest) => appendFileSync(join(path, 'blobs'), `${digest}\n`),
    finish: () => rmSync(path, { recursive: true, force: true }),
    close: () => closeSync(descriptor),
  };
}
