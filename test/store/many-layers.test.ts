/** What is done for many layers waits for the disk a few times, not once a layer: transactions are counted. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { findFiles } from '../../src/engine/contents/find-files.js';
import { importCache } from '../../src/engine/exports/transfer-cache.js';
import { createHash64 } from '../../src/fs/scan/hash64.js';
import type { DefinitionKey, OperationDigest } from '../../src/keys/digest.js';
import { OCI_LAYER } from '../../src/oci/media-types.js';
import type { Digest, ResolvedLayer } from '../../src/oci/resolved-image.js';
import type { ListedEntry } from '../../src/shared-cache/entry-list.js';
import { LIST_VERSION } from '../../src/shared-cache/entry-list.js';
import { allEntries } from '../../src/store/entries/cache-queries.js';
import { indexScanStore } from '../../src/store/entries/scan-store.js';
import { getTables } from '../../src/store/index/tables.js';
import { allLayers } from '../../src/store/layers/find-layers.js';
import type { Store } from '../../src/store/store.js';
import { closeStore, openStore } from '../../src/store/store.js';

const COUNT = 32;

let root: string;
let store: Store;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'wiac-many-'));
  store = await openStore(join(root, 'store'), 'none');
});

afterEach(async () => {
  await closeStore(store);
  rmSync(root, { recursive: true });
});

const sha256 = (data: string | Buffer) =>
  `sha256:${createHash('sha256').update(data).digest('hex')}` as Digest;

/** A layer of one file, from an archive. */
function layerOf(number: number, failing: boolean): ResolvedLayer {
  const files = join(root, 'files');
  mkdirSync(files, { recursive: true });
  writeFileSync(join(files, `file${number}`), `${number}`);
  const tar = execFileSync('tar', ['-cf', '-', '-C', files, `file${number}`]);
  const digest = sha256(tar);
  const open = async () => {
    if (failing) throw new Error('it is gone');
    return Readable.from([tar]);
  };
  return { descriptor: { mediaType: OCI_LAYER, digest, size: tar.length }, diffId: digest, open };
}

/** A cache of many entries with a layer each. @param failing the one whose layer can't be had */
function manyLayers(failing = -1) {
  const layers = Array.from({ length: COUNT }, (_, at) => layerOf(at, at === failing));
  const entries = layers.map((_, at): ListedEntry => {
    const key = sha256(`key ${at}`) as string as DefinitionKey;
    const inputs = {
      kind: 'copy',
      text: `COPY file${at} /`,
      operands: {},
      parents: [],
      platform: 'linux/amd64',
    };
    return {
      key,
      operation: sha256(`operation ${at}`) as string as OperationDigest,
      inputs: inputs as unknown as ListedEntry['inputs'],
      parents: { base: [], reads: [] },
      layer: at,
      created: 0,
      durationMs: 1,
    };
  });
  const list = { version: LIST_VERSION, layers: layers.map(({ diffId }) => ({ diffId })), entries };
  const openBlob = () => Promise.reject(new Error('no blob'));
  return { list, layers, openBlob } as unknown as Parameters<typeof importCache>[1];
}

async function countTransactions(action: () => Promise<void>): Promise<number> {
  const transactions = () => {
    const { environment } = getTables(store);
    environment.resetReadTxn();
    return (environment.getStats() as { readonly lastTxnId: number }).lastTxnId;
  };
  const before = transactions();
  await action();
  return transactions() - before;
}

const session = () => ({ store, signal: new AbortController().signal });

test('import, and the first search', async () => {
  const imports = await countTransactions(async () => {
    const imported = await importCache(session(), manyLayers());
    expect(imported).toEqual({ entries: COUNT, layers: COUNT });
  });
  expect(imports).toBeLessThan(COUNT);
  const scanStore = indexScanStore(store, await createHash64());
  const found: string[] = [];
  const search = async () => {
    for await (const { path } of findFiles(store, scanStore, 'file*')) found.push(path);
  };
  expect(await countTransactions(search)).toBe(1);
  expect(found).toHaveLength(COUNT);
  expect([...allLayers(store)].filter(({ tree }) => tree === undefined)).toEqual([]);
  expect(await countTransactions(search)).toBe(0);
});

test('a search that ends early keeps what it has read', async () => {
  await importCache(session(), manyLayers());
  const scanStore = indexScanStore(store, await createHash64());
  for await (const _ of findFiles(store, scanStore, 'file*')) break;
  expect([...allLayers(store)].filter(({ tree }) => tree !== undefined)).toHaveLength(1);
});

test('a layer that can not be had: the import fails, and leaves no draft behind', async () => {
  const drafts = () => readdirSync(store.paths.tmp).filter((name) => !name.startsWith('records.'));
  await expect(importCache(session(), manyLayers(5))).rejects.toThrow('it is gone');
  expect([...allEntries(store)]).toEqual([]);
  expect(drafts()).toEqual([]);
  expect(await importCache(session(), manyLayers())).toMatchObject({ entries: COUNT });
});
