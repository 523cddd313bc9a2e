/** Several platforms in one index, and what is said about an image beside it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import type { Registry } from '../support/registry.js';
import { startRegistry } from '../support/registry.js';
import { describeTree } from '../support/tree.js';
import { warmMachines } from '../support/warm-command.js';
import { context, tempDir } from '../support/wiac.js';

const machine = warmMachines();

let registry: Registry;
beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry.stop());

const json = (text: string) => JSON.parse(text);

/** Reads blobs of a layout by their descriptors. */
function layoutReader(layout: string) {
  const blob = ({ digest }: { digest: string }) =>
    json(readFileSync(join(layout, 'blobs', digest.replace(':', '/')), 'utf8'));
  return {
    blob,
    root: () => blob(json(readFileSync(join(layout, 'index.json'), 'utf8')).manifests[0]),
  };
}

/** The statements about the first image of a layout, by predicate type. */
function statements(layout: string) {
  const { blob, root } = layoutReader(layout);
  const [image, attestation] = root().manifests;
  expect(attestation).toMatchObject({
    platform: { os: 'unknown', architecture: 'unknown' },
    annotations: {
      'vnd.docker.reference.type': 'attestation-manifest',
      'vnd.docker.reference.digest': image.digest,
    },
  });
  const manifest = blob(attestation);
  const found = new Map<string, ReturnType<typeof json>>();
  for (const layer of manifest.layers) {
    expect(layer.mediaType).toBe('application/vnd.in-toto+json');
    const statement = blob(layer);
    expect(statement.predicateType).toBe(layer.annotations['in-toto.io/predicate-type']);
    expect(statement._type).toBe('https://in-toto.io/Statement/v1');
    expect(`sha256:${statement.subject[0].digest.sha256}`).toBe(image.digest);
    found.set(statement.predicateType, statement);
  }
  return { found, image, root: root() };
}

const PROVENANCE = 'https://slsa.dev/provenance/v1';
const SBOM = 'https://spdx.dev/Document';

describe('provenance', () => {
  test('mode=max: sources, steps and arguments; of secrets only the ids', async () => {
    const made = machine();
    const base = join(tempDir(), 'base');
    await made.build(
      context({ Dockerfile: 'FROM scratch\nCOPY bin /bin\n' }),
      `--output=type=oci,tar=false,dest=${base}`,
    );
    const layout = join(tempDir(), 'layout');
    const root = context({
      Dockerfile: [
        `FROM oci-layout://${base} AS base`,
        'ARG WHO',
        'COPY file /file',
        'RUN --network=none --mount=type=secret,id=token cat /run/secrets/token > /dev/null; echo $WHO > /who',
      ].join('\n'),
      file: 'content',
      token: 'hidden-from-everybody',
    });
    const { events } = await made.build(
      root,
      '--provenance=mode=max',
      '--build-arg=WHO=me',
      `--secret=id=token,src=${root}/token`,
      '--tag=app:1',
      `--output=type=oci,tar=false,dest=${layout}`,
    );
    const { found } = statements(layout);
    const { subject, predicate } = found.get(PROVENANCE);
    expect(subject[0].name).toMatch(/^pkg:docker\/app@1\?platform=linux%2F/);
    const { buildDefinition, runDetails } = predicate;
    const { manifests } = json(readFileSync(join(base, 'index.json'), 'utf8'));
    expect(buildDefinition).toMatchObject({
      externalParameters: {
        configSource: {
          path: 'Dockerfile',
          digest: {
            sha256: (await execa('sha256sum', [`${root}/Dockerfile`])).stdout.slice(0, 64),
          },
        },
        request: {
          args: { 'build-arg:WHO': 'me' },
          secrets: [{ id: 'token', optional: true }],
        },
      },
      resolvedDependencies: [
        { uri: `oci-layout://${base}`, digest: { sha256: manifests[0].digest.slice(7) } },
      ],
    });
    const { steps } = buildDefinition.internalParameters.buildConfig;
    const keys = events.filter(({ type }) => type === 'started').map(({ key }) => key);
    expect(steps.flatMap(({ key }: { key?: string }) => key ?? [])).toEqual(keys);
    const copy = steps.find(({ kind }: { kind: string }) => kind === 'copy');
    expect(copy.files[0].digest.wiacTree).toMatch(/^[0-9a-f]{64}$/);
    expect(runDetails.metadata).toMatchObject({ buildkit_hermetic: true });
    const raw = await execa('grep', ['-rl', 'hidden-from-everybody', layout], { reject: false });
    expect(raw.stdout).toBe('');
  });

  test('mode=min leaves arguments and steps out; off unless it is asked for', async () => {
    const made = machine();
    const root = context({ Dockerfile: 'FROM scratch\nARG A\nCOPY f /\n', f: 'f' });
    const layout = join(tempDir(), 'layout');
    const output = `--output=type=oci,tar=false,dest=${layout}`;
    await made.build(root, '--build-arg=A=x', output, '--provenance');
    const { predicate } = statements(layout).found.get(PROVENANCE);
    expect(predicate.buildDefinition.externalParameters.request.args).toEqual({
      platform: expect.stringContaining('linux/'),
    });
    expect(predicate.buildDefinition.internalParameters.buildConfig).toBeUndefined();
    const plain = join(tempDir(), 'layout');
    await made.build(root, `--output=type=oci,tar=false,dest=${plain}`, '--provenance=false');
    expect(layoutReader(plain).root().layers).toHaveLength(1);
  });

  test('with SOURCE_DATE_EPOCH the whole index is reproducible', async () => {
    const root = context({ Dockerfile: 'FROM scratch\nCOPY f /\n', f: 'f' });
    const digests = new Set<string>();
    for (const _ of [1, 2]) {
      const metadata = join(tempDir(), 'm.json');
      const flags = ['--attest=type=provenance,mode=max', '--sbom', `--metadata-file=${metadata}`];
      const { exitCode } = await machine().wiac(
        ['build', ...flags, '-o', `type=oci,dest=${join(tempDir(), 'i.tar')}`, root],
        { env: { SOURCE_DATE_EPOCH: '1700000000' } },
      );
      expect(exitCode).toBe(0);
      digests.add(json(readFileSync(metadata, 'utf8'))['containerimage.digest']);
    }
    expect(digests.size).toBe(1);
  });

  test('a registry takes it, and skopeo copies it all', async () => {
    const name = `${registry.host}/attested:1`;
    await machine().build(
      context({ Dockerfile: 'FROM scratch\nCOPY bin /bin\n' }),
      `--tag=${name}`,
      '--push',
      '--provenance=mode=max',
      '--sbom=true',
    );
    const copy = join(tempDir(), 'copy');
    const flags = ['copy', '-q', '--all', '--src-tls-verify=false'];
    await execa('skopeo', [...flags, `docker://${name}`, `oci:${copy}`]);
    expect([...statements(copy).found.keys()].sort()).toEqual([PROVENANCE, SBOM].sort());
    // Whoever asks for the image gets the image.
    const { stdout } = await execa('skopeo', ['inspect', '--tls-verify=false', `docker://${name}`]);
    expect(json(stdout).Layers).toHaveLength(1);
    const pulled = machine();
    expect((await pulled.wiac(['pull', name, '-t', 'x'])).exitCode).toBe(0);
    expect((await pulled.wiac(['run', 'x', '/bin/echo', 'runs'])).stdout).toBe('runs\n');
  });

  test.each([
    [['--provenance'], 'need an output that is an image'],
    [['--sbom', '-o', 'type=docker,dest=x'], 'need an output that is an image'],
    [['--provenance=mode=most', '--push'], 'not understood'],
    [['--provenance', 'mode=most', '--push'], 'not understood'],
    [['--sbom', 'true', '--provenance', 'false'], 'need an output that is an image'],
    [['--attest=type=what'], 'no attestation of that type'],
  ])('%j makes no sense', async (flags, message) => {
    const root = context({ Dockerfile: 'FROM scratch\nCOPY f /\n', f: 'f' });
    const { exitCode, stderr } = await machine().wiac(['build', '-t', 'x', ...flags, root]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 2, stderr: expect.stringContaining(message) });
  });
});

test('SBOM: what dpkg and apk have installed in the merged tree, and nothing else', async () => {
  const status = [
    'Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.36-9+deb12u9\nMaintainer: GNU Libc Maintainers <x@y>\nDescription: C\n more text\n .\n end',
    'Package: gone\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1',
    'Package: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5.2',
  ];
  const root = context({
    Dockerfile: [
      'FROM scratch',
      'COPY bin /bin',
      'COPY status /var/lib/dpkg/status',
      'COPY status.d /var/lib/dpkg/status.d',
      'COPY installed /lib/apk/db/installed',
      'COPY os-release /etc/os-release',
      'RUN echo hidden > /hidden; rm /var/lib/dpkg/status.d/removed',
    ].join('\n'),
    status: `${status.join('\n\n')}\n`,
    'status.d/base': 'Package: base-files\nVersion: 12\nArchitecture: amd64\n',
    'status.d/removed': 'Package: removed\nVersion: 1\n',
    installed:
      'C:Q1x\nP:musl\nV:1.2.4-r2\nA:x86_64\nL:MIT\nm:A <a@b>\n\nP:busybox\nV:1.36\nL:GPL-2.0-only AND x\n\n',
    'os-release': 'NAME="Debian"\nID=debian\n',
  });
  const layout = join(tempDir(), 'layout');
  await machine().build(root, '--sbom', `--output=type=oci,tar=false,dest=${layout}`);
  const { predicate } = statements(layout).found.get(SBOM);
  expect(predicate).toMatchObject({ spdxVersion: 'SPDX-2.3', SPDXID: 'SPDXRef-DOCUMENT' });
  const [image, ...packages] = predicate.packages;
  expect(image.primaryPackagePurpose).toBe('CONTAINER');
  expect(
    packages.map(
      (item: { externalRefs: { referenceLocator: string }[] }) =>
        item.externalRefs[0]?.referenceLocator,
    ),
  ).toEqual([
    'pkg:apk/debian/busybox@1.36?arch=noarch',
    'pkg:apk/debian/musl@1.2.4-r2?arch=x86_64',
    'pkg:deb/debian/base-files@12?arch=amd64',
    'pkg:deb/debian/bash@5.2?arch=amd64',
    'pkg:deb/debian/libc6@2.36-9%2Bdeb12u9?arch=amd64',
  ]);
  expect(predicate.relationships).toHaveLength(6);
});

describe('several platforms', () => {
  const FILES = {
    Dockerfile: 'FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /file\nLABEL arch=$TARGETARCH\n',
    amd64: 'for amd64',
    arm64: 'for arm64',
    s390x: 'for s390x',
  };

  test('one index; each image is that of its platform', async () => {
    const made = machine();
    const layout = join(tempDir(), 'layout');
    const metadata = join(tempDir(), 'm.json');
    const name = `${registry.host}/multi:1`;
    const { lowerdirs } = await made.build(
      context(FILES),
      '--platform=linux/amd64,linux/arm64,linux/s390x',
      '--annotation=index:org.x=all',
      '--annotation=manifest[linux/arm64]:org.x=arm',
      `--tag=${name}`,
      '--push',
      `--output=type=oci,tar=false,dest=${layout}`,
      `--metadata-file=${metadata}`,
    );
    expect(lowerdirs.split('\n')).toHaveLength(3);
    const { root, blob } = layoutReader(layout);
    const index = root();
    expect(index).toMatchObject({ annotations: { 'org.x': 'all' } });
    const platforms = index.manifests.map(
      ({ platform }: { platform: { architecture: string } }) => platform.architecture,
    );
    expect(platforms).toEqual(['amd64', 'arm64', 's390x']);
    expect(blob(index.manifests[1]).annotations).toEqual({ 'org.x': 'arm' });
    expect(blob(index.manifests[0]).annotations).toBeUndefined();
    for (const architecture of platforms) {
      const bundle = join(tempDir(), 'bundle');
      const one = join(tempDir(), 'one');
      const flags = ['--override-os=linux', `--override-arch=${architecture}`];
      await execa('skopeo', [
        ...flags,
        'copy',
        '-q',
        '--src-tls-verify=false',
        `docker://${name}`,
        `oci:${one}:x`,
      ]);
      await execa('umoci', ['unpack', '--image', `${one}:x`, bundle]);
      expect(describeTree(join(bundle, 'rootfs'))).toEqual([
        `file 644 0:0 ${Buffer.from(`for ${architecture}`).toString('base64')}`,
      ]);
    }
    const said = json(readFileSync(metadata, 'utf8'));
    expect(said['containerimage.descriptor'].mediaType).toContain('image.index');
    expect(said['wiac.lowerdir/linux/arm64']).toBe(lowerdirs.split('\n')[1]);
  });

  test('trees of several platforms lie side by side', async () => {
    const dest = tempDir();
    await machine().build(context(FILES), '--platform=linux/amd64,linux/arm64', '-o', dest);
    expect(readFileSync(join(dest, 'linux_arm64/file'), 'utf8')).toBe('for arm64');
    expect(readFileSync(join(dest, 'linux_amd64/file'), 'utf8')).toBe('for amd64');
  });
});
