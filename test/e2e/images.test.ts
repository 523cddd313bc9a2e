/** FROM and COPY --from of images that buildah made. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execa } from 'execa';
import type { Registry } from '../support/registry.js';
import { buildahImage, startRegistry } from '../support/registry.js';
import { describeLayers, describeTree } from '../support/tree.js';
import { warmMachines } from '../support/warm-command.js';
import { context, getOutput, ranSteps, tempDir } from '../support/wiac.js';

const machine = warmMachines();

let registry: Registry;
beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry.stop());

const BASE = [
  'RUN mkdir -p /etc /d /kept && touch /gone /d/hidden && ln -s kept /link && chmod 4755 /bin/busybox && chown 5:6 /kept',
  'RUN rm /gone && rm -r /d && mkdir /d && touch /d/shown',
  'ENV BASE=yes',
  'WORKDIR /base',
  'USER 5',
  'CMD ["/bin/echo", "from the base"]',
];

async function pushBase(lines: readonly string[] = BASE): Promise<string> {
  const { name, storage } = await buildahImage(lines);
  const reference = `${registry.host}/base:1`;
  await execa('buildah', [
    ...storage,
    'push',
    '-q',
    '--tls-verify=false',
    name,
    `docker://${reference}`,
  ]);
  return reference;
}

test('a base image: its files without what it removed, its config, nothing pulled twice', async () => {
  const reference = await pushBase();
  const made = machine();
  const root = context({
    Dockerfile: `FROM ${reference}\nRUN ls -d /d/* /gone; echo $BASE $(pwd) $(id -u)\n`,
  });
  const { events, lowerdirs } = await made.build(root, '-t', 'top', '--jobs=1');
  expect(events).toContainEqual(
    expect.objectContaining({ type: 'transfer', what: 'pull', state: 'done' }),
  );
  expect(getOutput(events)).toEqual([
    'ls: /gone: No such file or directory',
    '/d/shown',
    'yes /base 5',
  ]);
  const tree = (await describeLayers(lowerdirs)).map((line) =>
    line.split(' ').slice(0, 3).join(' '),
  );
  expect(tree).toEqual(
    expect.arrayContaining([
      'bin/busybox 4755 0:0',
      'kept 755 5:6',
      'link 0:0 ->',
      'd/shown 644 0:0',
    ]),
  );
  expect((await made.wiac(['run', 'top'])).stdout).toBe('from the base\n');
  expect(ranSteps((await made.build(root)).events)).toEqual([]);
});

test('a new image under the same tag is noticed; layers that it shares are kept', async () => {
  const reference = await pushBase();
  const made = machine();
  const root = context({ Dockerfile: `FROM ${reference}\nUSER 0\nRUN echo top > /top\n` });
  const before = (await made.build(root)).lowerdirs.split(':');
  await pushBase([...BASE, 'USER 0', 'RUN echo more > /more']);
  const { lowerdirs, events } = await made.build(root);
  expect(ranSteps(events)).toEqual(['RUN echo top > /top']);
  expect(lowerdirs.split(':').at(-1)).not.toBe('');
  expect(before.length).toBe(lowerdirs.split(':').length - 1);
});

test('COPY --from=IMAGE, and an OCI layout as a named context', async () => {
  const { name, storage } = await buildahImage(['RUN mkdir /x && echo text > /x/file']);
  const layout = join(tempDir(), 'layout');
  await execa('buildah', [...storage, 'push', '-q', name, `oci:${layout}:base`]);
  const root = context({
    Dockerfile: `FROM scratch\nCOPY --from=oci-layout://${layout}:base /x/file /direct\nCOPY --from=named /x /named\n`,
  });
  const { lowerdirs } = await machine().build(
    root,
    `--build-context=named=oci-layout://${layout}:base`,
  );
  const paths = (await describeLayers(lowerdirs)).map((line) => line.split(' ')[0]);
  expect(paths).toEqual(['direct', 'named', 'named/file']);
});

test('what wiac pushes is what other tools unpack; what it pulls it pushes on unchanged', async () => {
  const made = machine();
  const root = context({
    Dockerfile:
      'FROM scratch\nCOPY bin /bin\nRUN echo x > /gone; echo y > /kept; chmod 4711 /kept\nRUN rm /gone; mkdir -p /d/e\nENV A=b\n',
  });
  const { lowerdirs } = await made.build(root, '-t', 'app');
  const reference = `${registry.host}/app:1`;
  const pushed = await made.wiac(['push', 'app', reference]);
  expect(pushed.exitCode).toBe(0);
  const inspected = await execa('skopeo', [
    'inspect',
    '--tls-verify=false',
    `docker://${reference}`,
  ]);
  expect(JSON.parse(inspected.stdout)).toMatchObject({
    Digest: pushed.stdout.trim(),
    Env: [expect.stringContaining('PATH='), 'A=b'],
  });
  // To where its name says, as with docker push.
  const own = `${registry.host}/own:1`;
  await made.wiac(['tag', 'app', own]);
  expect(await made.wiac(['push', own])).toMatchObject({ exitCode: 0, stdout: pushed.stdout });
  await execa('skopeo', ['inspect', '--tls-verify=false', `docker://${own}`]);
  const [id = ''] = (await made.wiac(['images', '-q'])).stdout.split('\n');
  expect(await made.wiac(['push', id])).toMatchObject({
    exitCode: 2,
    stderr: expect.stringMatching(/^wiac: \w+ is the id of an image.*\nhint: .*wiac push \w+ host/),
  });
  const layout = join(tempDir(), 'layout');
  await execa('skopeo', [
    'copy',
    '-q',
    '--src-tls-verify=false',
    `docker://${reference}`,
    `oci:${layout}:app`,
  ]);
  const bundle = join(tempDir(), 'bundle');
  await execa('umoci', ['unpack', '--image', `${layout}:app`, bundle]);
  expect(describeTree(join(bundle, 'rootfs'))).toEqual(await describeLayers(lowerdirs));

  const other = machine();
  expect((await other.wiac(['pull', reference, '-t', 'pulled'])).exitCode).toBe(0);
  expect((await other.wiac(['run', 'pulled', '/bin/cat', '/kept'])).stdout).toBe('y\n');
  expect((await other.wiac(['images'])).stdout).toMatch(/^pulled:latest +[0-9a-f]{12} /m);
  await other.wiac(['push', 'pulled', `${registry.host}/again:1`]);
  const getLayers = async (name: string) =>
    JSON.parse(
      (
        await execa('skopeo', [
          'inspect',
          '--tls-verify=false',
          `docker://${registry.host}/${name}:1`,
        ])
      ).stdout,
    ).Layers;
  expect(await getLayers('again')).toEqual(await getLayers('app'));
});

test.each(['oci-archive', 'docker-archive'])(
  '%s: skopeo reads it, wiac builds on it',
  async (transport) => {
    const made = machine();
    await made.build(
      context({ Dockerfile: 'FROM scratch\nCOPY bin /bin\nRUN echo x > /x\n' }),
      '-t',
      'app',
    );
    const file = join(tempDir(), 'image.tar');
    expect((await made.wiac(['push', 'app', `${transport}:${file}:app:1`])).exitCode).toBe(0);
    await execa('skopeo', ['inspect', `${transport}:${file}:app:1`]);
    // As docker save has it: the name that was asked for.
    const named = join(tempDir(), 'named.tar');
    expect((await made.wiac(['push', 'app', `docker-archive:${named}`])).exitCode).toBe(0);
    await execa('skopeo', ['inspect', `docker-archive:${named}:app:latest`]);
    const root = context({ Dockerfile: `FROM ${transport}:${file}:app:1\nRUN cat /x\n` });
    expect(getOutput((await machine().build(root)).events)).toEqual(['x']);
  },
);

test('ONBUILD of the base runs, and is gone afterwards', async () => {
  const reference = await pushBase(['RUN true', 'ONBUILD RUN echo triggered > /trigger']);
  const made = machine();
  const root = context({ Dockerfile: `FROM ${reference}\nRUN cat /trigger\n` });
  expect(getOutput((await made.build(root)).events)).toEqual(['triggered']);
  const { config } = JSON.parse((await made.wiac(['plan', '--format=json', root])).stdout);
  expect(config.OnBuild).toBeUndefined();
});

test('an image that is not there: which one, which registry, exit code 11', async () => {
  const root = context({ Dockerfile: `FROM ${registry.host}/nothing:here\n` });
  const { exitCode, stderr } = await machine().wiac(['build', root]);
  expect(exitCode).toBe(11);
  expect(stderr).toContain(`${registry.host}/nothing:here`);
  expect(stderr).toContain('404');
});

test('a damaged layer leaves nothing in the store', async () => {
  const { name, storage } = await buildahImage(['RUN echo x > /x']);
  const layout = join(tempDir(), 'layout');
  await execa('buildah', [...storage, 'push', '-q', name, `oci:${layout}:base`]);
  const { stdout } = await execa('find', [join(layout, 'blobs/sha256'), '-size', '+100k']);
  writeFileSync(stdout.split('\n')[0] ?? '', 'damaged');
  const made = machine();
  const root = context({ Dockerfile: `FROM oci-layout://${layout}:base\nRUN true\n` });
  const { exitCode } = await made.wiac(['build', root]);
  expect(exitCode).toBe(11);
  const usage = JSON.parse((await made.wiac(['cache', 'du', '--format=json'])).stdout);
  expect(usage.layers).toBeLessThan(2);
  expect((await execa('ls', [join(made.root, 'tmp')])).stdout).toBe('');
});
