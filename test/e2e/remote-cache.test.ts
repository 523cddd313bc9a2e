/** --cache-to on one machine, --cache-from on another: each is a store of its own. */
import { linkSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import type { Registry } from '../support/registry.js';
import { startRegistry } from '../support/registry.js';
import { startS3 } from '../support/s3.js';
import { describeLayers } from '../support/tree.js';
import { warmMachines } from '../support/warm-command.js';
import type { BuildEvent, Machine } from '../support/wiac.js';
import { context, dockerfile, getOutput, ranSteps, tempDir } from '../support/wiac.js';

const warmMachine = warmMachines();

let registry: Registry;
beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry.stop());

/** Seven steps that make layers, one of them only for a stage that another one copies from. */
const TWO_STAGES = [
  'FROM scratch AS build',
  'COPY bin /bin',
  'RUN mkdir /out && echo made > /out/made',
  'FROM scratch',
  'COPY bin /bin',
  'COPY --from=build /out /out',
  'RUN cat /out/made > /read; ln /read /link; chmod 4755 /read',
  'RUN rm -r /out; mkdir /out',
  'WORKDIR /work',
  'COPY file /file',
  '',
].join('\n');

function twoStages(): string {
  return context({ Dockerfile: TWO_STAGES, file: 'content' });
}

function getBlobs({ root }: Machine): string[] {
  return readdirSync(join(root, 'blobs/sha256'));
}

function warnings(events: readonly BuildEvent[]): string[] {
  return events.filter(({ type }) => type === 'warning').map(({ message }) => String(message));
}

/** What a store has unpacked. */
function getLayers({ root }: Machine): string[] {
  return readdirSync(join(root, 'layers'));
}

describe('type=local', () => {
  test('no step runs, only layers of the result are fetched, and the files are the same', async () => {
    const [a, b] = [warmMachine(), warmMachine()];
    const root = twoStages();
    const cache = join(tempDir(), 'cache');
    const made = await a.build(root, `--cache-to=type=local,dest=${cache},mode=max`);
    expect(ranSteps(made.events)).toHaveLength(7);
    const { events, lowerdirs } = await b.build(root, `--cache-from=type=local,src=${cache}`);
    for (const [what, told] of [
      ['cache export', made.events],
      ['cache import', events],
    ] as const)
      expect(told).toContainEqual(
        expect.objectContaining({ type: 'transfer', what, state: 'done' }),
      );
    expect(ranSteps(events)).toEqual([]);
    expect(await describeLayers(lowerdirs)).toEqual(await describeLayers(made.lowerdirs));
    expect(lowerdirs.split(':')).toHaveLength(6);
    expect(getLayers(b)).toHaveLength(6);
    expect(getBlobs(b)).toHaveLength(6);
    // What was found belongs to the store now, the stage nobody unpacked included.
    rmSync(cache, { recursive: true });
    expect(ranSteps((await b.build(root)).events)).toEqual([]);
  });

  test('mode=min: nothing runs, not even the stage that is copied from, whatever it would make', async () => {
    const [a, b] = [warmMachine(), warmMachine()];
    const root = context({
      Dockerfile: [
        dockerfile('RUN head -c 100 /dev/urandom | sha256sum > /unique').replace(
          'scratch',
          'scratch AS base',
        ),
        'FROM scratch',
        'COPY --from=base /unique /',
        '',
      ].join('\n'),
    });
    const cache = join(tempDir(), 'cache');
    const made = await a.build(root, `--cache-to=type=local,dest=${cache}`);
    const { events, lowerdirs } = await b.build(root, `--cache-from=type=local,src=${cache}`);
    expect(ranSteps(events)).toEqual([]);
    expect(await describeLayers(lowerdirs)).toEqual(await describeLayers(made.lowerdirs));
    expect(getLayers(b)).toHaveLength(1);
    // Nor does it the next time, without the cache: what nobody needs is not missed.
    expect(ranSteps((await b.build(root)).events)).toEqual([]);
    // Who builds the stage has to run it, and what was copied from another one is copied again.
    expect(ranSteps((await b.build(root, '--target=base')).events)).toHaveLength(2);
    expect(ranSteps((await b.build(root)).events)).toEqual(['COPY --from=base /unique /']);
  });

  test('mode=min: a step above one that has to run finds what the result holds', async () => {
    const [a, b] = [warmMachine(), warmMachine()];
    const root = twoStages();
    const cache = join(tempDir(), 'cache');
    await a.build(root, `--cache-to=type=local,dest=${cache}`);
    const from = `--cache-from=type=local,src=${cache}`;
    expect(ranSteps((await b.build(root, from)).events)).toEqual([]);
    writeFileSync(join(root, 'Dockerfile'), `${TWO_STAGES}RUN echo more > /more\n`);
    expect(ranSteps((await warmMachine().build(root, from)).events)).toEqual([
      'RUN echo more > /more',
    ]);
  });

  test('a step that has to run gets the files that it needs, and no others', async () => {
    const [a, b] = [warmMachine(), warmMachine()];
    const root = twoStages();
    const cache = join(tempDir(), 'cache');
    await a.build(root, `--cache-to=type=local,dest=${cache},mode=max`);
    writeFileSync(
      join(root, 'Dockerfile'),
      TWO_STAGES.replace('&& echo made', '&& echo made once more'),
    );
    const { events, lowerdirs } = await b.build(root, `--cache-from=type=local,src=${cache}`);
    expect(ranSteps(events)).toEqual([
      'RUN mkdir /out && echo made once more > /out/made',
      'COPY --from=build /out /out',
      'RUN cat /out/made > /read; ln /read /link; chmod 4755 /read',
      'RUN rm -r /out; mkdir /out',
    ]);
    expect(await describeLayers(lowerdirs)).toEqual(
      await describeLayers((await a.build(root)).lowerdirs),
    );
  });

  test('a step that made the same files elsewhere ends the difference (content key)', async () => {
    const [a, b] = [warmMachine(), warmMachine()];
    const root = context({ Dockerfile: dockerfile('RUN echo 1 > /one', 'RUN cat /one > /two') });
    const cache = join(tempDir(), 'cache');
    await a.build(root, `--cache-to=type=local,dest=${cache},mode=max`);
    writeFileSync(
      join(root, 'Dockerfile'),
      dockerfile('RUN true && echo 1 > /one', 'RUN cat /one > /two'),
    );
    const { events } = await b.build(root, `--cache-from=type=local,src=${cache}`);
    expect(ranSteps(events)).toEqual(['RUN true && echo 1 > /one']);
    expect(events.filter(({ type }) => type === 'cached').map(({ by }) => by)).toEqual([
      'definition',
      'content',
    ]);
  });

  test('what was only looked at is passed on: a third machine runs nothing either', async () => {
    const [a, b, c] = [warmMachine(), warmMachine(), warmMachine()];
    const root = twoStages();
    const [first, second] = [join(tempDir(), 'first'), join(tempDir(), 'second')];
    await a.build(root, `--cache-to=type=local,dest=${first},mode=max`);
    await b.build(
      root,
      `--cache-from=type=local,src=${first}`,
      `--cache-to=type=local,dest=${second},mode=max`,
    );
    expect(getLayers(b)).toHaveLength(6);
    rmSync(first, { recursive: true });
    const { events } = await c.build(root, `--cache-from=type=local,src=${second}`);
    expect(ranSteps(events)).toEqual([]);
  });

  test('several sources: each gives what it has; several targets: each gets all', async () => {
    const [a, b, c] = [warmMachine(), warmMachine(), warmMachine()];
    const cache = (name: string) => `type=local,dest=${join(place, name)}`;
    const from = (name: string) => `--cache-from=type=local,src=${join(place, name)}`;
    const place = tempDir();
    const one = context({ Dockerfile: dockerfile('RUN echo 1 > /1') });
    const two = context({ Dockerfile: dockerfile('RUN echo 2 > /2') });
    await a.build(one, `--cache-to=${cache('one')}`, `--cache-to=${cache('copy')}`);
    await b.build(two, `--cache-to=${cache('two')}`);
    const both = context({
      Dockerfile: `${dockerfile('RUN echo 1 > /1')}FROM scratch\nCOPY bin /bin\nRUN echo 2 > /2\nCOPY --from=0 /1 /1\n`,
    });
    const { events } = await c.build(both, from('copy'), from('two'));
    expect(ranSteps(events)).toEqual(['COPY --from=0 /1 /1']);
  });
});

describe('type=registry', () => {
  test('a base image of a stage that is only copied from is not fetched', async () => {
    const [base, a, b] = [warmMachine(), warmMachine(), warmMachine()];
    await base.build(context({ Dockerfile: dockerfile('RUN echo base > /base') }), '-t', 'base');
    const reference = `${registry.host}/base:1`;
    expect((await base.wiac(['push', 'base', reference])).exitCode).toBe(0);
    const root = context({
      Dockerfile: [
        `FROM ${reference} AS build`,
        'RUN cat /base > /made',
        'FROM scratch',
        'COPY --from=build /made /made',
        'COPY bin /bin',
        'RUN cat /made > /read',
        '',
      ].join('\n'),
    });
    const cache = `${registry.host}/team/cache:main`;
    const made = await a.build(
      root,
      `--cache-to=type=registry,ref=${cache},mode=max,compression=zstd`,
    );
    const { events, lowerdirs } = await b.build(root, `--cache-from=${cache}`);
    expect(ranSteps(events)).toEqual([]);
    expect(warnings(events)).toEqual([]);
    expect(await describeLayers(lowerdirs)).toEqual(await describeLayers(made.lowerdirs));
    expect(getBlobs(b)).toHaveLength(3);
    // The base image has a layer with the same files as COPY bin, and brings it in gzip.
    const blobs = getBlobs(b).map((name) => readFileSync(join(b.root, 'blobs/sha256', name)));
    expect(blobs.map((blob) => blob.readUInt32BE(0))).toContain(0x28b52ffd);
    // A step on top of that base image needs its files after all.
    writeFileSync(join(root, 'Dockerfile'), `FROM ${reference}\nRUN cat /base\n`);
    expect(getOutput((await b.build(root, `--cache-from=${cache}`)).events)).toEqual(['base']);
  });

  test('type=inline: the image is its own cache', async () => {
    const [a, b] = [warmMachine(), warmMachine()];
    const root = context({ Dockerfile: dockerfile('RUN echo made > /made', 'ENV A=b') });
    const made = await a.build(root, '-t', 'app', '--cache-to=type=inline');
    const reference = `${registry.host}/app:1`;
    expect((await a.wiac(['push', 'app', reference])).exitCode).toBe(0);
    const { events, lowerdirs } = await b.build(
      root,
      `--cache-from=type=registry,ref=${reference}`,
    );
    expect(ranSteps(events)).toEqual([]);
    expect(await describeLayers(lowerdirs)).toEqual(await describeLayers(made.lowerdirs));
    const without = await warmMachine().build(root, `--cache-from=${registry.host}/base:1`);
    expect(warnings(without.events)).toEqual([
      expect.stringContaining('neither a cache nor an image'),
    ]);
  });

  test('type=inline: an image of several platforms is the cache of each of them', async () => {
    const root = context({ Dockerfile: dockerfile('ARG TARGETARCH', 'WORKDIR /$TARGETARCH') });
    const reference = `type=registry,ref=${registry.host}/several:1`;
    const output = `--output=type=registry,name=${registry.host}/several:1`;
    const both = '--platform=linux/amd64,linux/arm64,linux/riscv64';
    await warmMachine().build(root, both, '--cache-to=type=inline', output);
    for (const arch of ['amd64', 'arm64', 'riscv64']) {
      const flags = [`--platform=linux/${arch}`, `--cache-from=${reference}`];
      const { events } = await warmMachine().build(root, ...flags);
      expect([arch, ranSteps(events), warnings(events)]).toEqual([arch, [], []]);
    }
  });
});

describe('an image made of what another machine made', () => {
  /** Digest of the manifest that a build writes. */
  async function getDigest({ build }: Machine, root: string, form: string, ...flags: string[]) {
    const layout = join(tempDir(), 'layout');
    const output = `--output=type=oci,dest=${layout},tar=false,compression=${form}`;
    await build(root, output, ...flags);
    const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8'));
    return String(index.manifests[0].digest);
  }

  test.each(['gzip', 'zstd'])('has the same digest (%s)', async (form) => {
    const root = twoStages();
    const [a, b, c] = [warmMachine(), warmMachine(), warmMachine()];
    const cache = join(tempDir(), 'cache');
    const digest = await getDigest(a, root, form, `--cache-to=type=local,dest=${cache},mode=max`);
    expect(await getDigest(b, root, form, `--cache-from=type=local,src=${cache}`)).toBe(digest);
    const file = join(tempDir(), 'cache.tar');
    expect((await a.wiac(['cache', 'export', file])).exitCode).toBe(0);
    expect((await c.wiac(['cache', 'import', file])).exitCode).toBe(0);
    expect(await getDigest(c, root, form)).toBe(digest);
    // The store has it without its blobs as well.
    rmSync(join(c.root, 'blobs/sha256'), { recursive: true });
    mkdirSync(join(c.root, 'blobs/sha256'));
    expect(await getDigest(c, root, form)).toBe(digest);
  });
});

test('type=s3: signed requests, settings from the environment', async () => {
  const s3 = await startS3();
  try {
    const [a, b, c] = [warmMachine(), warmMachine(), warmMachine()];
    const root = twoStages();
    const { endpoint, bucket, region, accessKeyId, secretAccessKey } = s3;
    const place = `type=s3,bucket=${bucket},region=${region},endpoint_url=${endpoint},prefix=ci (1)/it's,name=main`;
    const keys = `access_key_id=${accessKeyId},secret_access_key=${secretAccessKey}`;
    await a.build(root, `--cache-to=${place},${keys},mode=max`);
    expect([...s3.objects.keys()]).toContain("ci (1)/it's/manifests/main");
    s3.log.length = 0;
    const env = {
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      AWS_REGION: region,
      AWS_ENDPOINT_URL: endpoint,
    };
    const flags = ['build', '--progress=plain', `--cache-from=${place}`, root];
    const built = await b.wiac(flags, { env });
    expect(built.stderr).toContain('7 steps cached, 0 run');
    // The manifest, the entries, six layers.
    expect(s3.log.filter((line) => line.startsWith('GET'))).toHaveLength(8);
    const stranger = await c.build(
      root,
      `--cache-from=${place},access_key_id=x,secret_access_key=y`,
    );
    expect(warnings(stranger.events)).toEqual([expect.stringContaining('InvalidAccessKeyId')]);
    const wrong = await warmMachine().build(
      root,
      `--cache-from=${place},access_key_id=${accessKeyId},secret_access_key=y`,
    );
    expect(warnings(wrong.events)).toEqual([expect.stringContaining('SignatureDoesNotMatch')]);
    expect(ranSteps(wrong.events)).toHaveLength(7);
  } finally {
    await s3.stop();
  }
});

test('cache export and import: the whole store in a file', async () => {
  const [a, b] = [warmMachine(), warmMachine()];
  const root = twoStages();
  const made = await a.build(root);
  const file = join(tempDir(), 'cache.tar');
  const exported = await a.wiac(['cache', 'export', file]);
  expect(exported).toMatchObject({ exitCode: 0, stdout: 'exported 7 entries, 6 layers\n' });
  expect((await b.wiac(['cache', 'import', file])).stdout).toBe('imported 7 entries, 6 layers\n');
  expect((await b.wiac(['cache', 'import', file])).stdout).toBe('imported 0 entries, 0 layers\n');
  rmSync(file);
  const { events, lowerdirs } = await b.build(root);
  expect(ranSteps(events)).toEqual([]);
  expect(await describeLayers(lowerdirs)).toEqual(await describeLayers(made.lowerdirs));
  // A file that changed is made anew, although the former layer came from elsewhere.
  writeFileSync(join(root, 'file'), 'other content');
  expect(ranSteps((await b.build(root)).events)).toEqual(['COPY file /file']);
  const list = await b.wiac(['cache', 'ls']);
  expect(list.stdout).toContain('RUN rm -r /out; mkdir /out');
});

test('why compares with what was imported as far as it is known; verify finds no damage in it', async () => {
  const [a, b, c] = [warmMachine(), warmMachine(), warmMachine()];
  const root = context({
    Dockerfile: dockerfile('COPY d /d', 'ARG V', 'RUN echo value > /v'),
    'd/file': 'one',
  });
  await a.build(root, '--build-arg=V=1');
  const file = join(tempDir(), 'cache.tar');
  await a.wiac(['cache', 'export', file]);
  for (const { wiac } of [b, c]) {
    await wiac(['cache', 'import', file]);
    expect(await wiac(['cache', 'verify'])).toMatchObject({ exitCode: 0 });
  }
  const variable = await b.wiac(['why', '--build-arg=V=2', root]);
  expect(variable.stdout).toContain('V may have another value now');
  writeFileSync(join(root, 'd/file'), 'two');
  const files = await c.wiac(['why', '--build-arg=V=1', root]);
  expect(files.stdout).toContain('files of d changed');
  expect(ranSteps((await c.build(root, '--build-arg=V=1')).events)).toContain('COPY d /d');
  expect(await c.wiac(['cache', 'verify'])).toMatchObject({ exitCode: 0 });
});

test('a layer in which a file has two names comes whole, whatever its size counts', async () => {
  const [a, b] = [warmMachine(), warmMachine()];
  const files = context({ file: 'content' });
  linkSync(join(files, 'file'), join(files, 'link'));
  const root = context({ Dockerfile: 'FROM scratch\nADD files.tar /' });
  await execa('tar', ['-C', files, '-cf', join(root, 'files.tar'), '.']);
  const shared = join(tempDir(), 'shared');
  await a.build(root, `--cache-to=type=local,dest=${shared}`);
  expect(ranSteps((await b.build(root, `--cache-from=type=local,src=${shared}`)).events)).toEqual(
    [],
  );
  expect(await b.wiac(['cache', 'verify'])).toMatchObject({ exitCode: 0 });
});
