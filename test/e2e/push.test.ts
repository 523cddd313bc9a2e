/** Blobs that are sent while they are being made, and what happens when that fails. */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { type Fault, startFaulty } from '../oci/registry/helpers.js';
import type { Registry } from '../support/registry.js';
import { startRegistry } from '../support/registry.js';
import { describeTree } from '../support/tree.js';
import { warmMachines } from '../support/warm-command.js';
import { context, dockerfile, tempDir } from '../support/wiac.js';

const machine = warmMachines();

let registry: Registry;
beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry.stop());

const FILES = { big: randomBytes(5 << 20), text: Buffer.from('a line\n'.repeat(300_000)) };

/** A new store with an image `x`. */
async function withImage() {
  const root = context({ Dockerfile: dockerfile('COPY big text /') });
  for (const [name, bytes] of Object.entries(FILES)) writeFileSync(join(root, name), bytes);
  const made = machine();
  await made.wiac(['build', '-q', '-t', 'x', root]);
  return made;
}

/** Pushes through a proxy, reads what arrived with skopeo. @returns the requests */
async function pushThrough(fault: Fault, name: string): Promise<string[]> {
  const front = await startFaulty(registry.host);
  front.fault = fault;
  try {
    const { wiac } = await withImage();
    const pushed = await wiac(['push', 'x', `${front.host}/${name}`]);
    expect(pushed).toMatchObject({ exitCode: 0 });
    const layout = join(tempDir(), 'layout');
    const source = `docker://${registry.host}/${name}`;
    await execa('skopeo', ['copy', '-q', '--src-tls-verify=false', source, `oci:${layout}:x`]);
    const bundle = join(tempDir(), 'bundle');
    await execa('umoci', ['unpack', '--image', `${layout}:x`, bundle]);
    const found = describeTree(join(bundle, 'rootfs'));
    for (const [file, bytes] of Object.entries(FILES))
      expect(found).toContain(`${file} 644 0:0 ${bytes.toString('base64')}`);
    return front.log.map((line) => line.replace(/ .*\/(blobs|manifests)\/.*/, ' $1'));
  } finally {
    await front.stop();
  }
}

const count = (log: readonly string[], line: string) => log.filter((one) => one === line).length;

test('a layer goes out while it is being packed; the digest follows', async () => {
  const lengths: unknown[] = [];
  const log = await pushThrough(({ method, headers }) => {
    if (method === 'PATCH') lengths.push(headers['content-length']);
    return false;
  }, 'whole');
  // Its length is not known yet. The config is known, and is sent in one request.
  expect(lengths.length).toBeGreaterThan(0);
  expect(new Set(lengths)).toEqual(new Set([undefined]));
  expect(count(log, 'PUT blobs')).toBe(lengths.length + 1);
});

const breakOff = (request: IncomingMessage) => {
  request.once('data', () => request.destroy());
  return true;
};

test.each([
  ['that breaks', breakOff],
  [
    'that the registry refuses',
    (request: IncomingMessage, response: Parameters<Fault>[1]) => {
      request.resume().once('end', () => response.writeHead(411).end());
      return true;
    },
  ],
])('an upload %s is followed by one of the finished blob', async (title, refuse) => {
  const log = await pushThrough(
    (request, response) => request.method === 'PATCH' && refuse(request, response),
    title.replaceAll(' ', '-'),
  );
  expect(count(log, 'PATCH blobs')).toBeGreaterThan(0);
});
