/** --output in all its forms, judged by tar, skopeo, umoci and buildah. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { emptyDisk } from '../support/power-cut.js';
import type { Registry } from '../support/registry.js';
import { startRegistry } from '../support/registry.js';
import { describeLayers, describeTree } from '../support/tree.js';
import { warmMachines } from '../support/warm-command.js';
import { context, tempDir, WIAC, writeTree } from '../support/wiac.js';

const machine = warmMachines();

let registry: Registry;
beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry.stop());

/** Whiteouts, an opaque directory, hard links, an xattr, a device, a fifo, setuid, owners. */
const EVERYTHING = [
  'FROM scratch',
  'COPY bin /bin',
  'RUN mkdir -p /d/below /gone && touch /d/old /gone/x && echo 1 > /one && ln /one /two && chmod 4711 /one',
  'RUN rm -r /d /gone && mkdir /d && echo new > /d/new && chown 5:6 /d/new && ln -s /etc/passwd /out',
  'COPY made /made',
  'ENV A=b',
  'CMD ["/bin/echo", "hi"]',
];

/** A context whose directory `made` holds what only system calls make. */
async function everything(): Promise<string> {
  const root = context({ Dockerfile: EVERYTHING.join('\n') });
  mkdirSync(join(root, 'made'));
  await execa('sh', ['-c', 'echo x > f; setfattr -n user.k -v v f; mknod null c 1 3; mkfifo p'], {
    cwd: join(root, 'made'),
  });
  return root;
}

const json = (text: string) => JSON.parse(text);

async function rawManifest(reference: string) {
  return json(
    (await execa('skopeo', ['inspect', '--raw', '--tls-verify=false', reference])).stdout,
  );
}

async function getConfig(reference: string) {
  return json(
    (await execa('skopeo', ['inspect', '--config', '--tls-verify=false', reference])).stdout,
  );
}

/** Lines of a tree without owners: local outputs have one owner. */
const withoutOwners = (lines: readonly string[]) =>
  lines.map((line) => line.replace(/ \d+:\d+ /, ' '));

describe('trees', () => {
  test('tar and local hold what the overlay shows; nothing else is on standard output', async () => {
    const made = machine();
    const root = await everything();
    const local = join(tempDir(), 'new/tree');
    const { lowerdirs } = await made.build(root, '-o', local);
    const expected = await describeLayers(lowerdirs);
    expect(withoutOwners(describeTree(local))).toEqual(withoutOwners(expected));
    expect(statSync(join(local, 'one')).ino).toBe(statSync(join(local, 'two')).ino);
    expect(lstatSync(join(local, 'd/new'))).toMatchObject({ uid: 0, gid: 0 });
    expect(lstatSync(join(local, 'made/null')).rdev).toBe(statSync('/dev/null').rdev);
    const xattr = ['-n', 'user.k', '--only-values', join(local, 'made/f')];
    expect((await execa('getfattr', xattr)).stdout).toBe('v');

    const unpacked = tempDir();
    await execa(
      'sh',
      ['-c', `node ${WIAC} build -q -o - ${root} | tar -x --xattrs -C ${unpacked}`],
      {
        env: { WIAC_ROOT: made.root },
      },
    );
    expect(describeTree(unpacked)).toEqual(expected);
    const file = join(tempDir(), 'tree.tar');
    await made.build(root, '--output', `type=tar,dest=${file}`);
    expect((await execa('tar', ['-tf', file])).stdout.split('\n')).toContain('made/null');
  });

  test('several platforms are directories of one archive', async () => {
    const root = context({ Dockerfile: 'FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /d\n' });
    writeTree(root, { 'amd64/f': 'x', 'amd64/s': '-> f', 'arm64/f': 'y' });
    linkSync(join(root, 'amd64/f'), join(root, 'amd64/g'));
    const file = join(tempDir(), 'tree.tar');
    const platforms = ['--platform', 'linux/amd64,linux/arm64'];
    const { lowerdirs } = await machine().build(root, ...platforms, '-o', `type=tar,dest=${file}`);
    const unpacked = tempDir();
    await execa('tar', ['--numeric-owner', '-xpf', file, '-C', unpacked]);
    expect(readdirSync(unpacked)).toEqual(['linux_amd64', 'linux_arm64']);
    const [amd64 = '', arm64 = ''] = lowerdirs.split('\n');
    expect(describeTree(join(unpacked, 'linux_amd64'))).toEqual(await describeLayers(amd64));
    expect(describeTree(join(unpacked, 'linux_arm64'))).toEqual(await describeLayers(arm64));
  });

  test('a tree goes into a directory that is not empty, and never out of it', async () => {
    const outside = tempDir();
    const dest = tempDir();
    writeTree(dest, { kept: 'kept', 'dir/kept': 'kept', 'file/was/a': 'directory' });
    symlinkSync(outside, join(dest, 'link'));
    symlinkSync(join(outside, 'target'), join(dest, 'flat'));
    const root = context({
      Dockerfile: 'FROM scratch\nCOPY tree /\n',
      'tree/link/file': 'in',
      'tree/flat': 'flat',
      'tree/dir/new': 'new',
      'tree/file': 'now a file',
    });
    await machine().build(root, '-o', `type=local,dest=${dest}`);
    expect(readdirSync(outside)).toEqual([]);
    expect(readFileSync(join(dest, 'link/file'), 'utf8')).toBe('in');
    expect(readFileSync(join(dest, 'flat'), 'utf8')).toBe('flat');
    expect(readFileSync(join(dest, 'file'), 'utf8')).toBe('now a file');
    expect(readdirSync(join(dest, 'dir')).sort()).toEqual(['kept', 'new']);
    expect(readdirSync(dest).sort()).toEqual(['dir', 'file', 'flat', 'kept', 'link']);
  });

  test('a link of the image that leads out of it stays a link', async () => {
    const dest = tempDir();
    const outside = tempDir();
    const root = context({
      Dockerfile: 'FROM scratch\nCOPY one /\nCOPY two /\n',
      'one/l': `-> ${outside}`,
      'two/x': 'x',
    });
    await machine().build(root, '-o', dest);
    expect(readlinkSync(join(dest, 'l'))).toBe(outside);
    expect(readdirSync(outside)).toEqual([]);
  });
});

describe('images', () => {
  test('oci: skopeo and umoci read the archive, the directory and standard output alike', async () => {
    const made = machine();
    const root = await everything();
    const work = tempDir();
    const [archive, layout] = [join(work, 'image.tar'), join(work, 'layout')];
    const metadata = join(work, 'metadata.json');
    const { lowerdirs } = await made.build(
      root,
      '-t',
      'app:1',
      `--output=type=oci,dest=${archive}`,
      `--output=type=oci,dest=${layout},tar=false`,
      `--metadata-file=${metadata}`,
    );
    const piped = join(work, 'piped.tar');
    await execa('sh', ['-c', `node ${WIAC} build -q -t app:1 -o type=oci ${root} > ${piped}`], {
      env: { WIAC_ROOT: made.root },
    });
    expect(readFileSync(piped).equals(readFileSync(archive))).toBe(true);
    const digest = (await execa('skopeo', ['inspect', `oci-archive:${archive}:1`])).stdout;
    const said = json(readFileSync(metadata, 'utf8'));
    expect(said).toMatchObject({
      'containerimage.digest': json(digest).Digest,
      'image.name': 'docker.io/library/app:1',
      'wiac.lowerdir': lowerdirs,
      'containerimage.descriptor': { platform: { os: 'linux' } },
    });
    const keys = said['wiac.steps'].flatMap(({ key }: { key: string | null }) => key ?? []);
    expect(keys).toHaveLength(4);
    for (const key of keys) expect(key).toMatch(/^[0-9a-f]{64}$/);
    const config = readFileSync(
      join(layout, 'blobs/sha256', said['containerimage.config.digest'].replace('sha256:', '')),
    );
    expect(json(config.toString())).toMatchObject({ config: { Cmd: ['/bin/echo', 'hi'] } });
    const bundle = join(work, 'bundle');
    await execa('umoci', ['unpack', '--image', `${layout}:1`, bundle]);
    expect(describeTree(join(bundle, 'rootfs'))).toEqual(await describeLayers(lowerdirs));
  });

  test('docker: buildah pulls the archive', async () => {
    const file = join(tempDir(), 'image.tar');
    const root = await everything();
    const { lowerdirs } = await machine().build(root, '-o', `type=docker,dest=${file},name=app:2`);
    const storage = tempDir();
    const flags = ['--root', `${storage}/root`, '--runroot', `${storage}/run`];
    const buildah = async (...args: string[]) =>
      (await execa('buildah', [...flags, '--storage-driver', 'vfs', ...args])).stdout.trim();
    await buildah('pull', '-q', `docker-archive:${file}`);
    const container = await buildah('from', '--pull-never', 'app:2');
    const mounted = await buildah('mount', container);
    expect(describeTree(mounted)).toEqual(await describeLayers(lowerdirs));
    await buildah('umount', container);
  });

  test('a layer that an image has twice is made once', async () => {
    const root = context({
      Dockerfile: 'FROM scratch\nCOPY d /o\nCOPY f /o/\nCOPY f /o/\n',
      'd/g': '',
    });
    // Packing the first is not over when the second begins.
    writeFileSync(join(root, 'f'), randomBytes(2_000_000));
    const made = machine();
    const layout = join(tempDir(), 'layout');
    const { lowerdirs } = await made.build(root, '-o', `type=oci,tar=false,dest=${layout}`);
    expect(lowerdirs.split(':')).toHaveLength(2);
    const { layers } = await rawManifest(`oci:${layout}`);
    expect(layers).toHaveLength(3);
    expect(layers[2]).toEqual(layers[1]);
  });

  test('docker: the archive has all names', async () => {
    const file = join(tempDir(), 'image.tar');
    const root = context({ Dockerfile: 'FROM scratch\nCOPY f /\n', f: 'f' });
    await machine().build(root, '-t', 'a', '-t', 'b.c/d:2', '-o', `type=docker,dest=${file}`);
    const { stdout } = await execa('tar', ['-xOf', file, 'manifest.json']);
    expect(json(stdout)).toMatchObject([{ RepoTags: ['a:latest', 'b.c/d:2'] }]);
  });

  test('--push, type=registry and push=true', async () => {
    const made = machine();
    const root = context({ Dockerfile: 'FROM scratch\nCOPY bin /bin\nENV A=b\n' });
    const name = (tag: string) => `${registry.host}/pushed:${tag}`;
    await made.build(root, '-t', name('a'), '-t', name('b'), '--push');
    await made.build(root, '-o', `type=registry,name=${name('c')}`);
    await made.build(root, '-o', `type=image,"name=${name('d')},${name('e')}",push=true`);
    const first = await rawManifest(`docker://${name('a')}`);
    for (const tag of ['b', 'c', 'd', 'e'])
      expect(await rawManifest(`docker://${name(tag)}`)).toEqual(first);
    expect((await getConfig(`docker://${name('a')}`)).history).toMatchObject([
      { created_by: 'COPY bin /bin # buildkit', comment: 'buildkit.dockerfile.v0' },
      { created_by: 'ENV A=b', empty_layer: true },
    ]);
    expect((await made.wiac(['images'])).stdout).toContain(name('d'));
  });

  test.each([
    ['', 'gzip', 'application/vnd.oci.image.layer.v1.tar+gzip'],
    [
      ',compression=zstd,compression-level=19',
      'zstd',
      'application/vnd.oci.image.layer.v1.tar+zstd',
    ],
    [',compression=uncompressed', 'none', 'application/vnd.oci.image.layer.v1.tar'],
    [',oci-mediatypes=false', 'gzip', 'application/vnd.docker.image.rootfs.diff.tar.gzip'],
  ])('compression and media types: %s', async (flags, _kind, mediaType) => {
    const layout = join(tempDir(), 'layout');
    const root = await everything();
    const made = machine();
    const { lowerdirs } = await made.build(root, '-o', `type=oci,tar=false,dest=${layout}${flags}`);
    const manifest = await rawManifest(`oci:${layout}`);
    expect(new Set(manifest.layers.map((layer: { mediaType: string }) => layer.mediaType))).toEqual(
      new Set([mediaType]),
    );
    const copied = join(tempDir(), 'copy');
    await execa('skopeo', ['copy', '-q', `oci:${layout}`, `dir:${copied}`]);
    // The configs say the same, whatever the layers are compressed with.
    const base = join(tempDir(), 'base');
    await made.build(root, '-o', `type=oci,tar=false,dest=${base}`);
    expect(await getConfig(`oci:${layout}`)).toEqual(await getConfig(`oci:${base}`));
    expect(lowerdirs).not.toBe('');
  });

  test('layers of a base image keep their form, unless force-compression says otherwise', async () => {
    const made = machine();
    const work = tempDir();
    const base = context({ Dockerfile: 'FROM scratch\nCOPY bin /bin\n' });
    await machine().build(base, '-o', `type=oci,tar=false,dest=${work}/base`);
    const root = context({ Dockerfile: `FROM oci-layout://${work}/base\nCOPY f /\n`, f: 'f' });
    const types = async (flags: string) => {
      const layout = join(tempDir(), 'layout');
      await made.build(root, '-o', `type=oci,tar=false,dest=${layout}${flags}`);
      const manifest = await rawManifest(`oci:${layout}`);
      return manifest.layers.map((layer: { mediaType: string }) => layer.mediaType.split('+')[1]);
    };
    expect(await types(',compression=zstd')).toEqual(['gzip', 'zstd']);
    expect(await types(',compression=zstd,force-compression=true')).toEqual(['zstd', 'zstd']);
    const ids = (await getConfig(`oci:${work}/base`)).rootfs.diff_ids;
    await made.build(
      root,
      '-o',
      `type=oci,tar=false,dest=${work}/top,compression=zstd,force-compression=true`,
    );
    expect((await getConfig(`oci:${work}/top`)).rootfs.diff_ids[0]).toBe(ids[0]);
  });

  test('annotations go where they are sent', async () => {
    const layout = join(tempDir(), 'layout');
    const root = context({ Dockerfile: 'FROM scratch\nCOPY f /\n', f: 'f' });
    await machine().build(
      root,
      '--annotation=org.x.a=1=2',
      '--annotation=manifest,manifest-descriptor:org.x.b=b',
      '-o',
      `type=oci,tar=false,dest=${layout},annotation.org.x.c=c`,
    );
    expect((await rawManifest(`oci:${layout}`)).annotations).toEqual({
      'org.x.a': '1=2',
      'org.x.b': 'b',
      'org.x.c': 'c',
    });
    const index = json(readFileSync(join(layout, 'index.json'), 'utf8'));
    expect(index.manifests[0].annotations).toEqual({ 'org.x.b': 'b' });
  });

  test('wiac push has the same forms', async () => {
    const made = machine();
    await made.build(context({ Dockerfile: 'FROM scratch\nCOPY bin /bin\n' }), '-t', 'app');
    const reference = `${registry.host}/form:1`;
    await made.wiac(['push', '--compression', 'zstd', '--compression-level=1', 'app', reference]);
    const zstd = await rawManifest(`docker://${reference}`);
    expect(zstd.layers[0].mediaType).toContain('tar+zstd');
    await made.wiac(['push', '--docker', 'app', reference]);
    expect((await rawManifest(`docker://${reference}`)).mediaType).toContain('docker');
  });
});

test.each([
  ['-', 'tar'],
  ['type=oci', 'oci'],
  ['type=docker,dest=-', 'docker'],
])('Ctrl-C while nobody reads the archive (%s): 130, and nothing is left', async (output) => {
  const made = machine();
  const root = context({ Dockerfile: 'FROM scratch\nCOPY f /\n' });
  writeFileSync(join(root, 'f'), randomBytes(8 << 20));
  const child = spawn(process.execPath, [WIAC, 'build', '-q', '-o', output, root], {
    env: { ...process.env, WIAC_ROOT: made.root },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'readable');
  child.kill('SIGINT');
  const [code] = await once(child, 'exit');
  expect(code).toBe(130);
  expect(readdirSync(join(made.root, 'tmp'))).toEqual([]);
});

describe('what makes no sense', () => {
  test.each([
    [['-o', 'type=nothing'], 'no output of type nothing'],
    [['-o', 'type=oci,dest=x,what=1'], 'type=oci has no what'],
    [['-o', 'dest=x'], 'it has no type'],
    [['-o', ''], 'it is empty'],
    [['-o', 'type=local,dest='], 'its dest is empty'],
    [['-o', 'type=oci,dest='], 'its dest is empty'],
    [['--iidfile', '/dev/null/x'], '--iidfile /dev/null/x: it cannot be written'],
    [['--metadata-file', '/dev/null/x'], '--metadata-file /dev/null/x: it cannot be written'],
    [['-o', 'type=docker'], 'no dest'],
    [['-o', 'type=tar', '-o', 'type=oci'], 'only one output'],
    [['--push'], 'a push needs a name'],
    [['--annotation', 'a=b'], '--annotation needs an output'],
    [['-o', 'type=oci,compression=zip'], 'zip is no compression'],
    [['-o', 'type=oci,compression-level=10'], 'no such level'],
    [['-o', 'type=oci,rewrite-timestamp=true'], 'needs SOURCE_DATE_EPOCH'],
    [['-o', 'type=docker,dest=x', '--annotation', 'a=b'], 'no annotations'],
  ])('%j', async (flags, message) => {
    const root = context({ Dockerfile: 'FROM scratch\nCOPY f /\n', f: 'f' });
    const { exitCode, stderr } = await machine().wiac(['build', ...flags, root]);
    expect(stderr).toContain(message);
    expect(exitCode).toBe(2);
  });

  test('a destination that cannot be written leaves nothing', async () => {
    const root = context({ Dockerfile: 'FROM scratch\nCOPY f /\n', f: 'f' });
    const work = tempDir();
    writeFileSync(join(work, 'file'), '');
    for (const output of [
      `type=oci,dest=${work}/file/x`,
      `type=local,dest=${work}/file/x`,
      `type=tar,dest=${work}/no/x`,
    ]) {
      const { exitCode, stderr } = await machine().wiac(['build', '-o', output, root]);
      expect({ exitCode, stderr }).toEqual({
        exitCode: 11,
        stderr: expect.stringContaining('cannot write'),
      });
    }
    expect(readdirSync(work)).toEqual(['file']);
    expect(existsSync(join(work, 'no'))).toBe(false);
  });

  test('a full disk below an archive for docker is no bug of wiac', async () => {
    const disk = await emptyDisk('1M');
    try {
      const root = context({ Dockerfile: 'FROM scratch\nCOPY f /\n', f: '' });
      writeFileSync(join(root, 'f'), randomBytes(2_000_000));
      const output = `type=docker,dest=${disk.path}/x.tar`;
      const { exitCode, stderr } = await machine().wiac(['build', '-q', '-o', output, root]);
      expect(stderr).toMatch(/^wiac: cannot write docker-archive:.*no space left/);
      expect(exitCode).toBe(11);
      expect(readdirSync(disk.path).filter((name) => name !== 'lost+found')).toEqual([]);
    } finally {
      await disk.remove();
    }
  });

  test('a named pipe is written to, and stays one', async () => {
    const root = context({ Dockerfile: 'FROM scratch\nCOPY f /\n', f: 'f' });
    const work = tempDir();
    const { build } = machine();
    await execa('mkfifo', [join(work, 'pipe'), join(work, 'metadata')]);
    const [archive, metadata] = await Promise.all([
      execa('tar', ['-tf', join(work, 'pipe')]),
      execa('cat', [join(work, 'metadata')]),
      build(
        root,
        ...['-o', `type=tar,dest=${work}/pipe`, '--metadata-file', join(work, 'metadata')],
      ),
    ]);
    expect(archive.stdout).toBe('f');
    expect(json(metadata.stdout)).toHaveProperty(['wiac.lowerdir']);
    expect(lstatSync(join(work, 'pipe')).isFIFO()).toBe(true);
  }, 20_000);
});
