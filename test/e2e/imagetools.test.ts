/** `wiac imagetools create` and `inspect`, beside skopeo, with a registry that tells what was asked. */
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { type Registry, startRegistry } from '../support/registry.js';
import { warmMachines } from '../support/warm-command.js';
import { context, type Machine, tempDir } from '../support/wiac.js';

const machine = warmMachines();

/** A registry behind a server that writes down what is asked for. */
interface Watched {
  readonly host: string;
  /** `METHOD PATH`, since the last call. */
  readonly asked: () => string[];
  readonly stop: () => void;
}

async function watch(registry: Registry): Promise<Watched> {
  let asked: string[] = [];
  const [hostname = '', port = ''] = registry.host.split(':');
  const server = createServer((incoming, answer) => {
    const { method = '', url: path = '', headers } = incoming;
    asked.push(`${method} ${path}`);
    const outgoing = request({ hostname, port, method, path, headers }, (response) => {
      answer.writeHead(response.statusCode ?? 500, response.headers);
      response.pipe(answer);
    });
    incoming.pipe(outgoing);
  });
  await new Promise<void>((resume) => server.listen(0, '127.0.0.1', resume));
  const address = server.address();
  return {
    host: `127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`,
    asked: () => {
      const before = asked;
      asked = [];
      return before;
    },
    stop: () => void server.close(),
  };
}

async function raw(reference: string): Promise<string> {
  const args = ['inspect', '--raw', '--tls-verify=false', `docker://${reference}`];
  return (await execa('skopeo', args, { stripFinalNewline: false })).stdout;
}

async function ok({ wiac }: Machine, ...args: string[]): Promise<string> {
  const { stdout, stderr, exitCode } = await wiac(['imagetools', ...args]);
  expect({ args, stderr: exitCode === 0 ? '' : stderr }).toEqual({ args, stderr: '' });
  return stdout;
}

const TYPE = 'application/vnd.oci.image';
let registry: Registry;
let other: Registry;
let watched: Watched;
let made: Machine;
/** Digests of manifests in `parts`, by architecture. */
const digests: Record<string, string> = {};

/** Registries with images, for each test of a group. */
function withRegistries(): void {
  beforeEach(async () => {
    [registry, other] = await Promise.all([startRegistry(), startRegistry()]);
    watched = await watch(registry);
    made = machine();
    const root = context({
      Dockerfile: 'FROM scratch\nARG TARGETARCH\nCOPY <<EOF /arch\n$TARGETARCH\nEOF\nENV A=b\n',
    });
    for (const arch of ['amd64', 'arm64']) {
      await made.build(root, '--platform', `linux/${arch}`, '-t', arch);
      const pushed = await made.wiac(['push', arch, `${watched.host}/parts:${arch}`]);
      expect(pushed).toMatchObject({ exitCode: 0, stderr: '' });
      digests[arch] = pushed.stdout.trim();
    }
    const attested = ['--provenance=mode=max', '--sbom=true', '--push', '-t'];
    const platforms = ['--platform', 'linux/amd64,linux/arm64'];
    await made.build(root, ...platforms, ...attested, `${watched.host}/attested:1`);
  });

  afterEach(async () => {
    watched.stop();
    await Promise.all([registry.stop(), other.stop()]);
  });
}

const entry = (arch: string) =>
  expect.objectContaining({
    mediaType: `${TYPE}.manifest.v1+json`,
    digest: digests[arch],
    platform: { os: 'linux', architecture: arch },
  });

describe('create', () => {
  withRegistries();

  test('an index in the same and in another repository; the registry mounts what it has', async () => {
    const parts = `${watched.host}/parts`;
    const metadata = join(tempDir(), 'metadata');
    const targets = [`${parts}:both`, `${watched.host}/app/whole:1`];
    watched.asked();
    const sources = [`${parts}:amd64`, `${parts}@${digests.arm64}`];
    const flags = [...targets.flatMap((target) => ['-t', target]), '--metadata-file', metadata];
    await ok(made, 'create', ...flags, ...sources);
    const asked = watched.asked();
    const configs = asked.filter((line) => /^GET .*\/blobs\//.test(line));
    // Configs were read for their platform; no layer was.
    expect(configs.length).toBeLessThanOrEqual(2);
    expect(asked.filter((line) => line.startsWith('PATCH') || /PUT .*uploads/.test(line))).toEqual(
      [],
    );
    expect(asked.filter((line) => line.includes('mount='))).toHaveLength(4);
    for (const target of targets) {
      const index = JSON.parse(await raw(target));
      expect(index).toEqual({
        schemaVersion: 2,
        mediaType: `${TYPE}.index.v1+json`,
        manifests: [entry('amd64'), entry('arm64')],
      });
      const pulled = machine();
      expect(await pulled.wiac(['pull', target])).toMatchObject({ exitCode: 0 });
      const { stdout } = await pulled.wiac(['inspect', target, '-f', '{{json .RepoDigests}}']);
      const own = digests[process.arch === 'x64' ? 'amd64' : 'arm64'];
      const of = JSON.parse(readFileSync(metadata, 'utf8'))['containerimage.digest'];
      const repository = target.slice(0, target.lastIndexOf(':'));
      expect(JSON.parse(stdout)).toEqual([`${repository}@${of}`, `${repository}@${own}`]);
    }
    expect(JSON.parse(readFileSync(metadata, 'utf8'))).toMatchObject({
      'containerimage.descriptor': { mediaType: `${TYPE}.index.v1+json` },
      'image.name': targets.join(','),
    });
  });

  test('between registries, and to and from layouts', async () => {
    const layout = join(tempDir(), 'layout');
    const parts = `${watched.host}/parts`;
    await ok(made, 'create', '-t', `oci-layout://${layout}:x`, `${parts}:amd64`, `${parts}:arm64`);
    const target = `${other.host}/app:1`;
    await ok(made, 'create', '-t', target, `oci-layout://${layout}:x`);
    const index = JSON.parse(await raw(target));
    expect(index.manifests).toEqual([entry('amd64'), entry('arm64')]);
    const args = ['inspect', '--tls-verify=false', '--override-arch=arm64', `docker://${target}`];
    expect(JSON.parse((await execa('skopeo', args)).stdout).Architecture).toBe('arm64');
    expect(await machine().wiac(['pull', target])).toMatchObject({ exitCode: 0 });
    const archive = join(tempDir(), 'x.tar');
    await ok(made, 'create', '-t', `oci-archive:${archive}:y`, target);
    const { stdout } = await execa('skopeo', ['inspect', '--raw', `oci-archive:${archive}:y`]);
    expect(JSON.parse(stdout).manifests).toEqual(index.manifests);
  });

  test('one index alone is copied byte for byte, with its attestations; one image becomes an index', async () => {
    const attested = `${watched.host}/attested:1`;
    const copy = `${other.host}/copy:1`;
    await ok(made, 'create', '-t', copy, attested);
    expect(await raw(copy)).toBe(await raw(attested));
    const digest = JSON.parse(await raw(copy)).manifests.at(-1).digest;
    expect(JSON.parse(await raw(`${other.host}/copy@${digest}`)).layers).toHaveLength(2);
    const part = `${watched.host}/parts:amd64`;
    await ok(made, 'create', '-t', `${other.host}/copy:index`, part);
    expect(JSON.parse(await raw(`${other.host}/copy:index`)).manifests).toEqual([entry('amd64')]);
    await ok(made, 'create', '--prefer-index=false', '-t', `${other.host}/copy:image`, part);
    expect(await raw(`${other.host}/copy:image`)).toBe(await raw(part));
  });

  test('--dry-run prints what it would be; --append, --platform, --annotation and --file', async () => {
    const parts = `${watched.host}/parts`;
    const dry = async (...args: string[]) =>
      JSON.parse(await ok(made, 'create', '--dry-run', ...args));
    expect((await dry(`${parts}:amd64`, `${parts}:arm64`, `${parts}:amd64`)).manifests).toEqual([
      entry('amd64'),
      entry('arm64'),
    ]);
    // A digest alone is in the repository of the others.
    expect((await dry('-t', `${parts}:x`, digests.arm64 ?? '')).manifests).toEqual([
      entry('arm64'),
    ]);
    const attested = `${watched.host}/attested:1`;
    const arm = await dry('--platform', 'linux/arm64', attested);
    expect(arm.manifests).toHaveLength(2);
    expect(arm.manifests[1].annotations['vnd.docker.reference.digest']).toBe(
      arm.manifests[0].digest,
    );
    const annotated = await dry(
      ...['--annotation', 'index:a=1', '--annotation', 'manifest-descriptor[linux/arm64]:b=2'],
      ...[`${parts}:amd64`, `${parts}:arm64`],
    );
    expect(annotated.annotations).toEqual({ a: '1' });
    expect(annotated.manifests[0].annotations).toBe(undefined);
    expect(annotated.manifests[1].annotations).toEqual({ b: '2' });
    const file = join(tempDir(), 'descriptor');
    const platform = { os: 'linux', architecture: 'arm64', variant: 'v9' };
    writeFileSync(file, JSON.stringify({ digest: digests.arm64, platform }));
    const text = join(tempDir(), 'reference');
    writeFileSync(text, `${parts}:amd64\n`);
    const fromFiles = await dry('-f', text, '-f', file);
    expect(fromFiles.manifests).toEqual([
      entry('amd64'),
      expect.objectContaining({ digest: digests.arm64, platform }),
    ]);
    await ok(made, 'create', '-t', `${parts}:grows`, `${parts}:amd64`);
    await ok(made, 'create', '--append', '-t', `${parts}:grows`, `${parts}:arm64`);
    expect(JSON.parse(await raw(`${parts}:grows`)).manifests).toEqual([
      entry('amd64'),
      entry('arm64'),
    ]);
  });

  test("Docker's kind stays Docker's, and mixed with OCI's it becomes OCI's", async () => {
    const docker = `${watched.host}/docker:1`;
    await made.wiac(['push', '--docker', 'amd64', docker]);
    const dry = async (...args: string[]) =>
      JSON.parse(await ok(made, 'create', '--dry-run', ...args)).mediaType;
    expect(await dry(docker)).toBe('application/vnd.docker.distribution.manifest.list.v2+json');
    expect(await dry(docker, `${watched.host}/parts:arm64`)).toBe(`${TYPE}.index.v1+json`);
  });

  test('annotations of manifests are refused, platforms that are not there too', async () => {
    const create = (...args: string[]) =>
      made.wiac(['imagetools', 'create', '--dry-run', ...args, `${watched.host}/parts:amd64`]);
    const annotated = await create('--annotation', 'a=b');
    expect(annotated).toMatchObject({ exitCode: 2 });
    expect(annotated.stderr).toContain('manifests stay as they are');
    expect(await create('--platform', 'linux/s390x')).toMatchObject({ exitCode: 2 });
  });
});

describe('inspect', () => {
  withRegistries();

  test('text as buildx has it', async () => {
    const part = `${watched.host}/parts:amd64`;
    expect(await ok(made, 'inspect', part)).toBe(
      `Name:      ${part}\nMediaType: ${TYPE}.manifest.v1+json\nDigest:    ${digests.amd64}\n`,
    );
    const attested = `${watched.host}/attested:1`;
    const index = JSON.parse(await raw(attested));
    const [first, , statement] = index.manifests;
    const text = await ok(made, 'inspect', attested);
    expect(text.split('\n').slice(0, 9)).toEqual([
      `Name:      ${attested}`,
      `MediaType: ${TYPE}.index.v1+json`,
      expect.stringMatching(/^Digest: {4}sha256:[0-9a-f]{64}$/),
      '',
      'Manifests:',
      `  Name:      ${attested}@${first.digest}`,
      `  MediaType: ${TYPE}.manifest.v1+json`,
      '  Platform:  linux/amd64',
      '',
    ]);
    expect(text).toContain(`  Name:        ${attested}@${statement.digest}\n`);
    expect(text).toContain('  Platform:    unknown/unknown\n  Annotations:\n');
    expect(text).toContain(`    vnd.docker.reference.digest: ${first.digest}\n`);
  });

  test('--raw are the bytes, --format fields of manifest, config and attestations', async () => {
    const attested = `${watched.host}/attested:1`;
    const part = `${watched.host}/parts:amd64`;
    expect(await ok(made, 'inspect', '--raw', attested)).toBe(await raw(attested));
    const format = async (text: string, reference = attested) =>
      (await ok(made, 'inspect', '--format', text, reference)).trimEnd();
    expect(await format('{{.Name}} {{.Manifest.Digest}}', part)).toBe(`${part} ${digests.amd64}`);
    const manifest = JSON.parse(await format('{{json .Manifest}}', part));
    expect(manifest).toMatchObject({ schemaVersion: 2, digest: digests.amd64, config: {} });
    expect(await format('{{.Image.Config.Env}}', part)).toContain('A=b');
    const images = JSON.parse(await format('{{json .Image}}'));
    expect(Object.keys(images)).toEqual(['linux/amd64', 'linux/arm64']);
    expect(await format('{{(index .Image "linux/arm64").Architecture}}')).toBe('arm64');
    const provenance = JSON.parse(await format('{{json (index .Provenance "linux/amd64").SLSA}}'));
    expect(provenance).toMatchObject({ buildDefinition: {} });
    const sbom = JSON.parse(await format('{{json (index .SBOM "linux/arm64").SPDX}}'));
    expect(sbom.spdxVersion).toMatch(/^SPDX-/);
    const all = JSON.parse(await format('{{json .}}'));
    expect(Object.keys(all)).toEqual(['Name', 'Manifest', 'Image', 'Provenance', 'SBOM']);
    expect(await format('{{.Manifest}}', part)).toContain('MediaType: ');
    watched.asked();
    await format('{{.Name}}');
    expect(watched.asked().filter((line) => line.includes('/blobs/'))).toEqual([]);
  });
});

describe('refused', () => {
  test.each([
    [['create', 'x'], 2, 'the image needs a name'],
    [['create', '--append', '--dry-run', 'x'], 2, '--append needs the name'],
    [['create', '--dry-run'], 2, 'no source is given'],
    [['create', '--dry-run', `sha256:${'0'.repeat(64)}`], 2, 'which repository is it in?'],
    [['create', '--dry-run', '-f', '/nonexistent/x'], 2, '--file /nonexistent/x'],
    [['create', '--dry-run', 'docker-archive:x.tar'], 9, 'have no manifests'],
    [['create', '--dry-run', 'oci-layout:///nonexistent'], 11, '/nonexistent'],
    [['inspect', 'oci-layout:///nonexistent'], 11, '/nonexistent'],
    [['inspect', '--raw', '--format', '{{.Name}}', 'x'], 2, 'contradict'],
  ])('%j is refused', async (args, code, message) => {
    const { exitCode, stderr } = await machine().wiac(['imagetools', ...args]);
    expect({ exitCode, stderr }).toEqual({
      exitCode: code,
      stderr: expect.stringContaining(message),
    });
  });
});
