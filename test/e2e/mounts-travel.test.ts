/** Cache mounts in shared caches: --cache-to ...,mounts=true on one machine, --cache-from on another. */

import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import type { ListedMount } from '../../src/shared-cache/mounts/snapshot.js';
import type { GhaServer } from '../support/gha.js';
import { startGha } from '../support/gha.js';
import type { Registry } from '../support/registry.js';
import { startRegistry } from '../support/registry.js';
import { getMachine, stepOutput } from '../support/rootless.js';
import type { S3Server } from '../support/s3.js';
import { startS3 } from '../support/s3.js';
import {
  arg,
  fileName,
  fill,
  mountOf,
  s3Place,
  stepContext,
  warnings,
} from '../support/travelling-mounts.js';
import { warmMachines } from '../support/warm-command.js';
import { context, dockerfile, getOutput, ranSteps, tempDir } from '../support/wiac.js';

const warmMachine = warmMachines();

let registry: Registry;
let s3: S3Server;
let gha: GhaServer;
beforeAll(async () => {
  registry = await startRegistry();
  s3 = await startS3();
  gha = await startGha();
});
afterAll(async () => {
  await registry.stop();
  await s3.stop();
  await gha.stop();
});

/** Bytes of the objects below a prefix that are not among those before. */
function addedBytes(prefix: string, before: ReadonlySet<string>): number {
  let bytes = 0;
  for (const [key, value] of s3.objects)
    if (key.startsWith(`${prefix}/blobs/`) && !before.has(key)) bytes += value.length;
  return bytes;
}

const PLACES = [
  ['local', () => ({ to: `type=local,dest=${join(tempDir(), 'c')}`, from: '' })],
  ['registry', () => ({ to: `type=registry,ref=${registry.host}/mounts:main`, from: '' })],
  ['s3', () => ({ to: s3Place(s3, 'travel'), from: '' })],
  ['gha', () => ({ to: `type=gha,url_v2=${gha.url},token=${gha.token()}`, from: '' })],
] as const;

describe.each(PLACES)('type=%s', (_, getPlace) => {
  test('what one machine left in a mount another one finds; its change travels back', async () => {
    const { to } = getPlace();
    const from = to.replace('dest=', 'src=');
    const [a, b, c] = [warmMachine(), warmMachine(), warmMachine()];
    const root = stepContext(
      [
        'test -e /c/d/file && cat /c/d/file /c/link; ls -ln /c/d',
        'mkdir -p /c/d; echo $x >> /c/d/file; chown 7:8 /c/d/file; chmod 4751 /c/d/file',
        'ln -sf d/file /c/link; ln -f /c/d/file /c/d/again; touch -d @1234567 /c/d',
      ].join('; '),
    );
    await a.build(root, arg('one'), `--cache-to=${to},mounts=true`);
    const second = await b.build(
      root,
      arg('two'),
      `--cache-from=${from}`,
      `--cache-to=${to},mounts=true`,
    );
    expect(getOutput(second.events).join('\n')).toMatch(
      /^one\none\ntotal 8\n-rwsr-x--x +2 7 +8 +4 .* again\n-rwsr-x--x +2 7 +8 +4 .* file$/,
    );
    const third = await c.build(root, arg('three'), `--cache-from=${from}`);
    expect(getOutput(third.events).slice(0, 2)).toEqual(['one', 'two']);
    const file = statSync(join(mountOf(c), 'd/file'));
    expect([file.mode & 0o7777, file.uid, file.gid, file.nlink]).toEqual([0o4751, 7, 8, 2]);
    expect(warnings([...second.events, ...third.events])).toEqual([]);
  });
});

describe('what travels', () => {
  test('only what changed, and nothing when nothing did', async () => {
    const [a, b] = [warmMachine(), warmMachine()];
    const root = stepContext('true');
    const place = s3Place(s3, 'change');
    const to = `--cache-to=${place},mounts=true`;
    await a.build(root, arg(0));
    fill(mountOf(a), 0, 300, 10_000, 'first');
    await a.build(root, arg(0), to);
    expect(addedBytes('change', new Set())).toBeGreaterThan(2_000_000);

    await b.build(root, arg(1), `--cache-from=${place}`);
    fill(mountOf(b), 5, 10, 10_000, 'changed');
    rmSync(join(mountOf(b), fileName(299)));
    const { stdout } = await b.wiac(['cache', 'mounts', 'ls', '--format=json', place]);
    const [listed] = JSON.parse(stdout) as Pick<ListedMount, 'files' | 'packs'>[];
    const before = new Set(s3.objects.keys());
    s3.log.length = 0;
    await b.build(root, arg(1), to);
    // Ten files, the list of 300, and the lists of entries.
    expect(addedBytes('change', before)).toBeGreaterThan(50_000);
    expect(addedBytes('change', before)).toBeLessThan(200_000);
    expect(s3.log.filter((line) => line.startsWith('PUT'))).toHaveLength(4);
    // The list of files that it was restored from is known: nothing large is fetched again.
    const fetched = s3.log.filter((line) => line.startsWith('GET')).join('\n');
    for (const { digest } of [listed?.files, ...(listed?.packs ?? [])] as { digest: string }[])
      expect(fetched).not.toContain(digest.replace('sha256:', ''));

    const now = new Set(s3.objects.keys());
    await b.build(root, arg(1), to);
    expect(addedBytes('change', now)).toBe(0);

    const c = warmMachine();
    await c.build(root, arg(2), `--cache-from=${place}`);
    expect(readdirSync(mountOf(c))).toEqual(readdirSync(mountOf(b)));
    for (const at of [4, 5, 14, 15])
      expect(readFileSync(join(mountOf(c), fileName(at)))).toEqual(
        readFileSync(join(mountOf(b), fileName(at))),
      );
  });

  test('a mount is not fetched when its step is found, nor when the mount is here', async () => {
    const [a, b] = [warmMachine(), warmMachine()];
    const root = stepContext('cat /c/f; echo $x > /c/f');
    const place = s3Place(s3, 'hit');
    await a.build(root, arg(1), `--cache-to=${place},mounts=true,mode=max`);
    const lists = [...s3.objects].filter(([key]) => key.startsWith('hit/blobs'));
    const mountBlobs = () =>
      s3.log.filter((line) => line.startsWith('GET hit/blobs')).map((line) => line.split(' ')[1]);
    s3.log.length = 0;
    const hit = await b.build(root, arg(1), `--cache-from=${place}`);
    expect(ranSteps(hit.events)).toEqual([]);
    // The list of entries and two layers.
    expect(mountBlobs().length).toBeLessThanOrEqual(3);
    expect(readdirSync(join(b.root, 'mounts'))).toEqual([]);
    // Another step that mounts it runs: now it comes.
    s3.log.length = 0;
    const miss = await b.build(root, arg(2), `--cache-from=${place}`);
    expect(getOutput(miss.events)).toEqual(['1']);
    expect(mountBlobs()).toHaveLength(3);
    expect(lists.length).toBeGreaterThan(4);
    // It is here now, and stays as it is.
    s3.log.length = 0;
    expect(getOutput((await b.build(root, arg(3), `--cache-from=${place}`)).events)).toEqual(['2']);
    expect(mountBlobs()).toHaveLength(1);
  });

  test('an empty directory that a failed step left is filled', async () => {
    const [a, b] = [warmMachine(), warmMachine()];
    const root = stepContext('cat /c/f; echo made > /c/f');
    const cache = join(tempDir(), 'c');
    await a.build(root, arg(1), `--cache-to=type=local,dest=${cache},mounts=true`);
    await b.wiac([
      'build',
      context({ Dockerfile: dockerfile('RUN --mount=type=cache,target=/c false') }),
    ]);
    expect(readdirSync(mountOf(b))).toEqual([]);
    const { events } = await b.build(root, arg(2), `--cache-from=type=local,src=${cache}`);
    expect(getOutput(events)).toEqual(['made']);
  });

  test('only the mounts that were asked for, and from= has its own', async () => {
    const [a, b] = [warmMachine(), warmMachine()];
    const run = (id: string, more = '') =>
      `RUN --mount=type=cache,id=${id},target=/c${more} : $x; cat /c/seed /c/f 2>/dev/null; echo ${id} > /c/f`;
    const root = context({
      Dockerfile: `FROM scratch AS source\nCOPY seed /s/seed\n${dockerfile(
        'ARG x',
        run('one'),
        run('two'),
        run('three', ',from=source,source=/s'),
        run('four', ',mode=0700,uid=5,gid=6'),
      )}`,
      seed: 'seed\n',
    });
    const cache = join(tempDir(), 'c');
    const from = `--cache-from=type=local,src=${cache}`;
    await a.build(
      root,
      arg(1),
      '--jobs=1',
      `--cache-to="type=local","dest=${cache}","mounts=one,three",mounts=four`,
    );
    const { events } = await b.build(root, arg(2), '--jobs=1', from);
    expect(getOutput(events)).toEqual(['one', 'seed', 'three', 'four']);
    const four = readdirSync(join(b.root, 'mounts')).map((name) =>
      statSync(join(b.root, 'mounts', name)),
    );
    expect(
      four.filter(({ mode, uid, gid }) => mode === 0o40700 && uid === 5 && gid === 6),
    ).toHaveLength(1);
    // --cache-from can leave them where they are, too.
    const none = await warmMachine().build(root, arg(3), '--jobs=1', `${from},mounts=three`);
    expect(getOutput(none.events)).toEqual(['seed', 'three']);
  });

  test('a build whose steps do not mount it passes a mount on', async () => {
    const [a, b] = [warmMachine(), warmMachine()];
    const cache = join(tempDir(), 'c');
    const to = `--cache-to=type=local,dest=${cache},mounts=true`;
    const root = stepContext('cat /c/f; echo $x > /c/f');
    await a.build(root, arg(1), to);
    await b.build(
      context({ Dockerfile: dockerfile('RUN --mount=type=cache,target=/other echo 1 > /other/f') }),
      to,
    );
    const { events } = await warmMachine().build(
      root,
      arg(2),
      `--cache-from=type=local,src=${cache}`,
    );
    expect(getOutput(events)).toEqual(['1']);
    // One whose blobs somebody removed is not: the cache would name what is not there.
    const { stdout } = await a.wiac([
      'cache',
      'mounts',
      'ls',
      '--format=json',
      `type=local,src=${cache}`,
    ]);
    const [first] = JSON.parse(stdout) as { id: string; files: { digest: string } }[];
    rmSync(join(cache, 'blobs', (first?.files.digest ?? '').replace(':', '/')));
    const c = warmMachine();
    await c.build(context({ Dockerfile: dockerfile('RUN true') }), to);
    const left = await a.wiac([
      'cache',
      'mounts',
      'ls',
      '--format=json',
      `type=local,src=${cache}`,
    ]);
    expect((JSON.parse(left.stdout) as { id: string }[]).map(({ id }) => id)).toEqual([
      first?.id === '/c' ? '/other' : '/c',
    ]);
  });

  test('mounts-max: what was not used for longest stays behind', async () => {
    const [a, b] = [warmMachine(), warmMachine()];
    const root = stepContext('true');
    const cache = join(tempDir(), 'c');
    await a.build(root, arg(1));
    const directory = mountOf(a);
    fill(directory, 0, 4, 40_000, 'x');
    // One is read, one is written: with relatime both have a later time than the others.
    await a.build(
      stepContext(`cat /c/${fileName(1)} > /dev/null; touch /c/${fileName(3)}`),
      arg(1),
    );
    await a.build(root, arg(1), `--cache-to=type=local,dest=${cache},mounts=true,mounts-max=100k`);
    await b.build(root, arg(2), `--cache-from=type=local,src=${cache}`);
    expect(readdirSync(mountOf(b))).toEqual([fileName(1), fileName(3)]);
    expect(readdirSync(directory)).toHaveLength(4);
    // A snapshot that is larger than --cache-from takes is not brought back.
    const { events } = await warmMachine().build(
      root,
      arg(3),
      `--cache-from=type=local,src=${cache},mounts-max=10k`,
    );
    expect(warnings(events).join()).toContain('the cache mount /c of');
  });

  test('two places with other compressions: both get the mount, and neither is written anew', async () => {
    const a = warmMachine();
    const root = stepContext('echo $x > /c/f');
    const places = ['gzip', 'zstd'].map((compression) => {
      const dest = join(tempDir(), 'c');
      const to = `--cache-to=type=local,dest=${dest},compression=${compression},mounts=true`;
      return { to, index: join(dest, 'index.json') };
    });
    const build = async () => {
      const { events } = await a.build(root, arg(1), ...places.map(({ to }) => to));
      expect(warnings(events)).toEqual([]);
      return places.map(({ index }) => readFileSync(index, 'utf8'));
    };
    const made = await build();
    expect(await build()).toEqual(made);
    expect(await build()).toEqual(made);
  });

  test('the mount is no part of a key', async () => {
    const a = warmMachine();
    const root = stepContext('true');
    const cache = join(tempDir(), 'c');
    const from = `--cache-from=type=local,src=${cache}`;
    await a.build(root, arg(1), `--cache-to=type=local,dest=${cache},mounts=true,mode=max`);
    expect(ranSteps((await a.build(root, arg(1), from)).events)).toEqual([]);
    expect(
      ranSteps((await warmMachine().build(root, arg(1), `${from},mounts=false`)).events),
    ).toEqual([]);
  });
});

describe('users other than root', () => {
  test('owners are those of the user namespace; what root wrote can be read, and the reverse', async () => {
    const command = 'test -e /c/f && stat -c %u:%g:%a /c /c/f; echo $x >> /c/f; chown 7:8 /c/f';
    const root = stepContext(command, ',mode=0750,uid=5,gid=6');
    const first = getMachine('ordinary');
    const cache = join(first.tmp, 'c');
    const [to, from] = [
      `--cache-to=type=local,dest=${cache},mounts=true`,
      `--cache-from=type=local,src=${cache}`,
    ];
    const owners = ['5:6:750', '7:8:644'];
    expect(await stepOutput(first, root, [arg(1), to])).toEqual([]);
    expect(
      await stepOutput(
        { ...first, env: { ...first.env, WIAC_ROOT: join(first.tmp, 'other') } },
        root,
        [arg(2), from],
      ),
    ).toEqual(owners);
    const byRoot = await warmMachine().build(root, arg(3), from, to);
    expect(getOutput(byRoot.events)).toEqual(owners);
    const again = { ...first, env: { ...first.env, WIAC_ROOT: join(first.tmp, 'third') } };
    await execa('chmod', ['-R', 'a+rX', cache]);
    expect(await stepOutput(again, root, [arg(4), from])).toEqual(owners);
  });

  test('an owner outside of the range of the user is a warning', async () => {
    const root = stepContext('test -e /c/f && echo there; touch /c/f; chown 300000:0 /c/f');
    const user = getMachine('ordinary');
    const cache = join(user.tmp, 'c');
    await warmMachine().build(root, arg(1), `--cache-to=type=local,dest=${cache},mounts=true`);
    await execa('chmod', ['-R', 'a+rX', cache]);
    const build = context({
      Dockerfile: dockerfile('RUN --mount=type=cache,target=/c ls /c; echo ran'),
    });
    expect(await stepOutput(user, build, [`--cache-from=type=local,src=${cache}`])).toEqual([
      'ran',
    ]);
  });
});

describe('wiac cache mounts', () => {
  test('export, ls, import, rm; the entries of the cache stay', async () => {
    const [a, b] = [warmMachine(), warmMachine()];
    const cache = join(tempDir(), 'c');
    const [dest, src] = [`type=local,dest=${cache}`, `type=local,src=${cache}`];
    const root = stepContext('cat /c/f; echo $x > /c/f');
    await a.build(root, arg(1), `--cache-to=${dest},mode=max`);
    const exported = await a.wiac(['cache', 'mounts', 'export', dest]);
    expect(exported).toMatchObject({ exitCode: 0, stdout: 'exported /c: 1 file, 2 B\n' });
    const list = await b.wiac(['cache', 'mounts', 'ls', src]);
    expect(list.stdout).toMatch(
      /^NAME +AGE +FILES +SIZE +PACKS +ID\n[0-9a-f]{12} .* 1 +2 B +1 +\/c\n$/,
    );

    expect((await b.wiac(['cache', 'mounts', 'import', src, '/c'])).stdout).toBe(
      'imported /c: 1 file, 2 B\n',
    );
    expect(readFileSync(join(mountOf(b), 'f'), 'utf8')).toBe('1\n');
    writeFileSync(join(mountOf(b), 'f'), 'mine');
    expect((await b.wiac(['cache', 'mounts', 'import', src])).stdout).toContain(
      'kept /c: it is here',
    );
    expect(readFileSync(join(mountOf(b), 'f'), 'utf8')).toBe('mine');
    await b.wiac(['cache', 'mounts', 'import', '--replace', src]);
    expect(readFileSync(join(mountOf(b), 'f'), 'utf8')).toBe('1\n');
    expect((await b.wiac(['cache', 'mounts', 'ls'])).stdout).toMatch(/ \/c\n$/);

    // The entries that --cache-to wrote are there as before.
    const hit = await warmMachine().build(root, arg(1), `--cache-from=${src}`);
    expect(ranSteps(hit.events)).toEqual([]);

    expect((await b.wiac(['cache', 'mounts', 'rm', '/c'])).stdout).toBe('removed /c\n');
    expect(readdirSync(join(b.root, 'mounts'))).toEqual([]);
    expect(readdirSync(join(b.root, 'mount-notes'))).toEqual([]);
    expect((await b.wiac(['cache', 'mounts', 'rm', '/c'])).exitCode).toBe(10);
  });
});
