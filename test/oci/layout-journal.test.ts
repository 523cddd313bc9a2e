/** A layout directory after writers that were killed: the next one clears up after them, and only them. */
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { getDigest } from '../../src/oci/blob-digest.js';
import { layoutSink } from '../../src/oci/layout.js';
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
