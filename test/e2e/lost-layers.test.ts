/** Shared caches that have lost the blobs of some layers: lifecycle rules of buckets, caches of CI, people. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { type Registry, startRegistry } from '../support/registry.js';
import { type S3Server, startS3 } from '../support/s3.js';
import { warmMachines } from '../support/warm-command.js';
import type { BuildEvent } from '../support/wiac.js';
import { context, ranSteps, tempDir, writeTree } from '../support/wiac.js';

const machine = warmMachines();

let s3: S3Server;
let registry: Registry;
beforeAll(async () => {
  [s3, registry] = await Promise.all([startS3(), startRegistry()]);
});
afterAll(() => Promise.all([s3.stop(), registry.stop()]));

/** The layer of stage `large` is fetched by nobody who finds the COPY: it is large enough to be known by its size. */
const root = () =>
  context({
    Dockerfile: [
      'FROM scratch AS large',
      'COPY bin /bin',
      'RUN head -c 3000000 /dev/urandom > /large && echo one > /one',
      'FROM scratch',
      'COPY bin /bin',
      'COPY --from=large /one /one',
      'RUN cat /one > /two',
      '',
    ].join('\n'),
  });

const s3Place = (name: string) =>
  `type=s3,bucket=${s3.bucket},region=${s3.region},endpoint_url=${s3.endpoint},prefix=${name},` +
  `access_key_id=${s3.accessKeyId},secret_access_key=${s3.secretAccessKey}`;

interface Place {
  readonly to: string;
  readonly from: string;
  /** Removes the blob of a layer. */
  readonly lose: (digest: string) => void;
  readonly blob: (digest: string) => Buffer;
  readonly change: (digest: string, bytes: Buffer) => void;
}

const inFiles = (path: (digest: string) => string) => ({
  blob: (digest: string) => readFileSync(path(digest)),
  change: (digest: string, bytes: Buffer) => writeFileSync(path(digest), bytes),
});

const places: readonly (readonly [string, (name: string) => Place])[] = [
  [
    'a directory',
    () => {
      const cache = join(tempDir(), 'cache');
      return {
        to: `type=local,dest=${cache}`,
        from: `type=local,src=${cache}`,
        lose: (digest) => rmSync(join(cache, 'blobs', digest.replace(':', '/'))),
        ...inFiles((digest) => join(cache, 'blobs', digest.replace(':', '/'))),
      };
    },
  ],
  [
    'a bucket',
    (name) => ({
      to: s3Place(name),
      from: s3Place(name),
      lose: (digest) =>
        void expect(s3.objects.delete(`${name}/blobs/${digest.replace(':', '/')}`)).toBe(true),
      blob: (digest) => s3.objects.get(`${name}/blobs/${digest.replace(':', '/')}`) as Buffer,
      change: (digest, bytes) =>
        void s3.objects.set(`${name}/blobs/${digest.replace(':', '/')}`, bytes),
    }),
  ],
  [
    'a registry',
    (name) => ({
      to: `type=registry,ref=${registry.host}/${name}`,
      from: `type=registry,ref=${registry.host}/${name}`,
      lose: (digest) => {
        const hex = digest.replace('sha256:', '');
        const links = join(registry.data, 'docker/registry/v2/repositories', name, '_layers');
        rmSync(join(links, 'sha256', hex), { recursive: true });
      },
      ...inFiles((digest) => {
        const hex = digest.replace('sha256:', '');
        const blobs = join(registry.data, 'docker/registry/v2/blobs/sha256');
        return join(blobs, hex.slice(0, 2), hex, 'data');
      }),
    }),
  ],
];

const warnings = (events: readonly BuildEvent[]) =>
  events.filter(({ type }) => type === 'warning').map(({ message }) => String(message));

/** The blobs that a build has written, the largest first. */
function written(events: readonly BuildEvent[]): string[] {
  const sizes = new Map(
    events
      .filter(({ type, what }) => type === 'transfer' && what === 'cache export')
      .map(({ name, total }) => [String(name), Number(total)]),
  );
  return [...sizes].sort(([, a], [, b]) => b - a).map(([name]) => name);
}

describe.each(places)('%s', (kind, open) => {
  const name = kind.replace('a ', '');

  test('who only passes entries on does not fail; what is lost runs again once it is needed', async () => {
    const { to, from, lose } = open(`${name}-passed`);
    const [project, found] = [root(), `--cache-from=${from}`];
    const made = await machine().build(project, `--cache-to=${to},mode=max`);
    lose(written(made.events)[0] ?? '');
    const passed = await machine().build(project, found, `--cache-to=${to},mode=max`);
    expect([ranSteps(passed.events), warnings(passed.events)]).toEqual([[], []]);
    const needed = await machine().build(project, found, '--target=large');
    expect(ranSteps(needed.events)).toEqual([expect.stringContaining('RUN head')]);
  });

  test('one layer costs its own step, several cost one warning', async () => {
    const { to, from, lose } = open(`${name}-few`);
    const project = root();
    const made = await machine().build(project, `--cache-to=${to},mode=max`);
    const [, , ...small] = written(made.events);
    // Those of the COPY --from and of the RUN behind it.
    expect(small).toHaveLength(2);
    for (const digest of small) lose(digest);
    const built = await machine().build(project, `--cache-from=${from}`);
    expect(warnings(built.events)).toEqual([
      expect.stringContaining('does not deliver all layers'),
    ]);
    expect(ranSteps(built.events).sort()).toEqual([
      'COPY --from=large /one /one',
      'RUN cat /one > /two',
    ]);
  });

  test.each([
    ['of other bytes', (whole: Buffer) => Buffer.from(whole).fill(0, 1000, 2000)],
    ['that was cut off', (whole: Buffer) => whole.subarray(0, 2000)],
    ['that is empty', () => Buffer.alloc(0)],
  ] as const)('a layer %s costs its own step, which writes it again', async (how, damage) => {
    const { to, from, blob, change } = open(`${name}-${how.replaceAll(' ', '-')}`);
    const project = root();
    const made = await machine().build(project, `--cache-to=${to},mode=max`);
    const [, copied = ''] = written(made.events);
    const whole = blob(copied);
    change(copied, damage(whole));
    const text = readFileSync(join(project, 'Dockerfile'), 'utf8');
    writeTree(project, { Dockerfile: `${text}RUN cat /one\n` });
    const flags = [`--cache-from=${from}`, `--cache-to=${to},mode=max`];
    const built = await machine().build(project, ...flags);
    // The step that needs the layer may have begun before that was found out.
    const ran = [...new Set(ranSteps(built.events))];
    expect(ran.sort()).toEqual(['COPY bin /bin', 'RUN cat /one']);
    expect(warnings(built.events)).toEqual([
      expect.stringMatching(/does not deliver all layers: .*(?:damaged|decompressed)/),
    ]);
    // A registry keeps what it has.
    expect(blob(copied).equals(whole)).toBe(kind !== 'a registry');
  });
});

test.each([
  ['a pipe', (path: string) => execa('mkfifo', [path])],
  ['a link to itself', (path: string) => symlink(path, path)],
  ['a directory', (path: string) => mkdir(path)],
] as const)('%s in the place of a blob costs its own step', async (_, put) => {
  const cache = join(tempDir(), 'cache');
  const project = root();
  const made = await machine().build(project, `--cache-to=type=local,dest=${cache},mode=max`);
  const [, , copied = ''] = written(made.events);
  const path = join(cache, 'blobs', copied.replace(':', '/'));
  rmSync(path);
  await put(path);
  const built = await machine().build(project, `--cache-from=type=local,src=${cache}`);
  expect(warnings(built.events)).toEqual([
    expect.stringMatching(/does not deliver all layers: .* cannot read oci-layout:/),
  ]);
  expect(new Set(ranSteps(built.events)).size).toBe(1);
});

test('a cache that delivers no layer while another one is written costs a warning, not the build', async () => {
  const project = root();
  const [from, to] = [s3Place('damaged'), join(tempDir(), 'cache')];
  const made = await machine().build(project, `--cache-to=${from},mode=max`);
  const key = `damaged/blobs/${(written(made.events)[0] ?? '').replace(':', '/')}`;
  s3.objects.get(key)?.fill(0, 1000, 2000);
  const flags = [`--cache-from=${from}`, `--cache-to=type=local,dest=${to},mode=max`];
  const passed = await machine().build(project, ...flags);
  expect([ranSteps(passed.events), warnings(passed.events)]).toEqual([
    [],
    [expect.stringMatching(/does not deliver all layers: .* is damaged/)],
  ]);
  const required = `--cache-from=${from},required=true`;
  const refused = await machine().wiac(['build', required, ...flags.slice(1), project]);
  expect([refused.exitCode, refused.stderr]).toEqual([11, expect.stringContaining('is damaged')]);
});

test('an object of another size is written again by who has the layer', async () => {
  const [project, own] = [root(), machine()];
  const flag = `--cache-to=${s3Place('short')},mode=max`;
  const made = await own.build(project, flag);
  const key = `short/blobs/${(written(made.events)[0] ?? '').replace(':', '/')}`;
  const whole = s3.objects.get(key) ?? Buffer.alloc(0);
  s3.objects.set(key, whole.subarray(0, 5000));
  await own.build(project, flag);
  expect(s3.objects.get(key)?.equals(whole)).toBe(true);
});
