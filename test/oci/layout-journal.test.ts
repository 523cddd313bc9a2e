/** A layout directory after writers that were killed: the next one clears up after them, and only them. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { makeFifos } from '../../src/native/store-files.js';
import { getDigest } from '../../src/oci/blob-digest.js';
import { layoutSink, layoutSource, sweepLayout } from '../../src/oci/layout.js';
import { OCI_MANIFEST } from '../../src/oci/media-types.js';
import type { Descriptor, ImageSink } from '../../src/oci/resolved-image.js';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'wiac-layout-'));
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

function sink(tag: string): ImageSink {
  return layoutSink({ kind: 'oci-layout', directory, tag });
}

async function putText(to: ImageSink, text: string): Promise<Descriptor> {
  const bytes = Buffer.from(text);
  const descriptor = { mediaType: 'text/plain', digest: getDigest(bytes), size: bytes.length };
  await to.putBlob(descriptor, () => Readable.from([bytes]));
  return descriptor;
}

async function putArtifact(to: ImageSink, ...texts: string[]): Promise<void> {
  const layers: Descriptor[] = [];
  for (const text of texts) layers.push(await putText(to, text));
  const config = await putText(to, `config of ${texts.join()}`);
  const manifest = { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers };
  await to.putManifest(Buffer.from(JSON.stringify(manifest)), OCI_MANIFEST, 'root');
  await to.close();
}

function has(text: string): boolean {
  const digest = getDigest(Buffer.from(text));
  return existsSync(join(directory, 'blobs/sha256', digest.slice('sha256:'.length)));
}

test('what a killed writer left is gone with the next one; what has a name stays', async () => {
  await putArtifact(sink('first'), 'kept');
  const killed = sink('second');
  await putText(killed, 'half');
  await putText(killed, 'kept');
  const unfinished = getDigest(Buffer.from('half')).slice('sha256:'.length);
  writeFileSync(join(directory, 'blobs/sha256', `${unfinished}.tmp-1-abc`), 'ha');
  // As if it had been killed: the kernel closes what it has open.
  await killed.close();
  writeFileSync(join(directory, 'blobs/sha256', 'f'.repeat(64)), 'of somebody else');
  await putArtifact(sink('third'), 'new');
  expect(['half', 'kept', 'new'].map(has)).toEqual([false, true, true]);
  const names = readdirSync(join(directory, 'blobs/sha256'));
  expect(names.filter((name) => name.includes('.tmp-'))).toEqual([]);
  expect(names).toContain('f'.repeat(64));
  expect(readdirSync(directory).sort()).toEqual(['blobs', 'index.json', 'oci-layout']);
});

test('nothing goes while another writer is at work', async () => {
  const killed = sink('first');
  await putText(killed, 'half');
  await killed.close();
  const atWork = sink('second');
  await putText(atWork, 'whole');
  await putText(sink('x'), 'more');
  expect(['whole', 'more'].map(has)).toEqual([true, true]);
  await putArtifact(atWork, 'whole');
});

test('a first writer that was killed leaves nothing to the second', async () => {
  const killed = sink('first');
  await putText(killed, 'half');
  await killed.close();
  await putArtifact(sink('second'), 'new');
  expect(['half', 'new'].map(has)).toEqual([false, true]);
});

/** A journal that nobody lives for, as a stranger puts one into a directory that others write to. */
function plantJournal(...lines: string[]): string {
  const journal = join(directory, '.wiac-0123456789abcdef');
  mkdirSync(journal);
  writeFileSync(join(journal, 'blobs'), lines.map((line) => `${line}\n`).join(''));
  return journal;
}

test('a planted journal removes no file elsewhere', async () => {
  const elsewhere = mkdtempSync(join(tmpdir(), 'wiac-victim-'));
  try {
    writeFileSync(join(elsewhere, 'victim'), 'of the host');
    await putArtifact(sink('first'), 'kept');
    const up = '../'.repeat(40);
    const journal = plantJournal(`sha256:${up}${elsewhere.slice(1)}/victim`, `..${elsewhere}:x`);
    await putArtifact(sink('second'), 'new');
    expect(existsSync(join(elsewhere, 'victim'))).toBe(true);
    expect(existsSync(journal)).toBe(false);
  } finally {
    rmSync(elsewhere, { recursive: true });
  }
});

test.each(['blobs', 'blobs/sha256'])(
  '%s that is a link: nothing is removed behind it',
  async (at) => {
    const elsewhere = mkdtempSync(join(tmpdir(), 'wiac-victim-'));
    try {
      const blobs = at === 'blobs' ? join(elsewhere, 'sha256') : elsewhere;
      mkdirSync(blobs, { recursive: true });
      const name = 'a'.repeat(64);
      writeFileSync(join(blobs, name), 'of a store');
      utimesSync(join(blobs, name), 1, 1);
      mkdirSync(dirname(join(directory, at)), { recursive: true });
      symlinkSync(elsewhere, join(directory, at));
      plantJournal(`sha256:${name}`);
      await putArtifact(sink('first'), 'new');
      expect(await sweepLayout(directory, Date.now())).toBe(0);
      expect(existsSync(join(blobs, name))).toBe(true);
    } finally {
      rmSync(elsewhere, { recursive: true });
    }
  },
);

test.each(['index.json', '.wiac-0123456789abcdef/blobs'])(
  'a pipe %s is not waited for',
  async (at) => {
    await putArtifact(sink('first'), 'kept');
    rmSync(plantJournal(), { recursive: true });
    mkdirSync(dirname(join(directory, at)), { recursive: true });
    rmSync(join(directory, at), { force: true });
    await makeFifos(dirname(join(directory, at)), [basename(at)]);
    const source = layoutSource({ kind: 'oci-layout', directory, tag: 'first' });
    if (at === 'index.json') await expect(source.root()).rejects.toThrow('index.json is no file');
    if (at === 'index.json') plantJournal(getDigest(Buffer.from('kept')));
    await putText(sink('second'), 'new');
    expect(has('kept')).toBe(true);
  },
);
