/**
 * Lock files: builds that take what they name, whatever becomes of tags, branches and servers. One
 * registry and one web server are shared; the pure part is in test/lock.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { FaultyRegistry, TestRegistry } from '../oci/registry/helpers.js';
import { startFaulty, startRegistry } from '../oci/registry/helpers.js';
import { warmMachines } from '../support/warm-command.js';
import { repository, serveFiles } from '../support/web-server.js';
import { context, dockerfile, ranSteps, tempDir } from '../support/wiac.js';

const machine = warmMachines();

let registry: TestRegistry;
let front: FaultyRegistry;

/** Gives a tag of the base image to another image: `1` has a shell, `2` is for two platforms. */
async function pushBase(tag: '1' | '2', content: string) {
  const [lines, platform] =
    tag === '1' ? ['COPY bin /bin\n', 'linux/amd64'] : ['', 'linux/amd64,linux/arm64'];
  const root = context({ Dockerfile: `FROM scratch\n${lines}COPY v /v\n`, v: content });
  const name = `${registry.host}/base:${tag}`;
  const flags = ['build', '-q', '--push', '--platform', platform, '-t', name];
  expect(await machine().wiac([...flags, root])).toMatchObject({ exitCode: 0 });
}

beforeAll(async () => {
  registry = await startRegistry();
  front = await startFaulty(registry.host);
  await pushBase('1', 'one');
  await pushBase('2', 'one');
}, 60_000);
afterAll(async () => {
  await front.stop();
  await registry.stop();
});
afterEach(() => {
  front.fault = () => false;
});

const lockOf = (root: string, name = 'Dockerfile') =>
  readFileSync(join(root, `${name}.lock`), 'utf8');

describe('images', () => {
  test('a locked build takes what was locked when the tag moves, and asks nobody when it is cached', async () => {
    const root = context({ Dockerfile: `FROM ${front.host}/base:1 AS b\nRUN cat /v > /w\n` });
    const { wiac, build } = machine();
    const locked = await wiac(['lock', root]);
    expect(locked).toMatchObject({ exitCode: 0, stderr: '' });
    expect(locked.stdout).toMatch(
      /^\+ image 127.*\/base:1 \(linux\/amd64\) sha256:[0-9a-f]{64}\n$/,
    );
    const text = lockOf(root);
    await pushBase('1', 'two');
    const first = await build(root, '--locked');
    expect(ranSteps(first.events)).toEqual(['RUN cat /v > /w']);
    expect(readFileSync(join(first.lowerdirs.split(':')[0] ?? '', 'w'), 'utf8')).toBe('one');
    front.log.length = 0;
    front.fault = (_request, response) => response.destroy() !== undefined;
    const again = await build(root, '--locked');
    expect(ranSteps(again.events)).toEqual([]);
    expect(front.log).toEqual([]);
    expect(lockOf(root)).toBe(text);
    front.fault = () => false;
    const moved = await wiac(['lock', '--outdated', root]);
    expect(moved).toMatchObject({ exitCode: 1, stderr: '' });
    expect(moved.stdout.split('\n')).toHaveLength(3);
    expect(lockOf(root)).toBe(text);
    const renewed = await build(root, '--lock=update');
    expect(ranSteps(renewed.events)).toEqual(['RUN cat /v > /w']);
    expect(lockOf(root)).not.toBe(text);
    expect(await wiac(['lock', '--outdated', root])).toMatchObject({ exitCode: 0, stdout: '' });
    writeFileSync(
      join(root, 'Dockerfile.lock'),
      text.replace(/"digest":"sha256:.{8}/, (found) => `${found.slice(0, -8)}00000000`),
    );
    const forged = await wiac(['build', '-q', root]);
    const [now] =
      /sha256:[0-9a-f]{64}/.exec(moved.stdout.slice(moved.stdout.lastIndexOf('sha256:'))) ?? [];
    expect(forged.exitCode).toBe(11);
    expect(forged.stderr).toMatch(
      /^wiac: .*Dockerfile:1:1: .*Dockerfile\.lock says that .* is sha256:00000000/,
    );
    expect(forged.stderr).toContain(`but the registry has ${now} for it`);
  }, 60_000);

  test('a tag that is gone, a platform that comes later, a registry that is down', async () => {
    const { wiac, build } = machine();
    const root = context({ Dockerfile: `FROM ${front.host}/base:2\n` });
    expect(await wiac(['lock', '--platform', 'linux/amd64', root])).toMatchObject({ exitCode: 0 });
    await pushBase('2', 'two');
    // The platform that is added is of the release that the other one is of.
    const added = await wiac(['lock', '--platform', 'linux/arm64', root]);
    expect(added).toMatchObject({ exitCode: 0, stderr: '' });
    const { sources } = JSON.parse(lockOf(root)) as { sources: Record<string, unknown>[] };
    expect(sources.map(({ platform }) => platform)).toEqual(['linux/amd64', 'linux/arm64']);
    expect(new Set(sources.map(({ index }) => index)).size).toBe(1);
    front.fault = (request, response) => {
      const isTag = request.url?.endsWith('/manifests/2') ?? false;
      if (isTag) response.writeHead(404).end();
      return isTag;
    };
    const { lowerdirs } = await build(root, '--locked', '--platform', 'linux/arm64');
    expect(readFileSync(join(lowerdirs.split(':')[0] ?? '', 'v'), 'utf8')).toBe('one');
    const gone = await wiac(['lock', '--outdated', '--json', root]);
    expect(gone.exitCode).toBe(1);
    expect(JSON.parse(gone.stdout)).toMatchObject([{ current: null }, { current: null }]);
    front.fault = (_request, response) => response.destroy() !== undefined;
    const down = await machine().wiac(['build', '-q', '--retry=0', root]);
    expect(down.exitCode).toBe(11);
    expect(down.stderr).toMatch(/base@sha256:/);
  }, 60_000);

  test('no lock file makes a digest in FROM mean another image, and none means an index', async () => {
    const { wiac } = machine();
    const name = `${front.host}/base:2`;
    const lockedTo = async (content: string) => {
      await pushBase('2', content);
      const root = context({ Dockerfile: `FROM ${name}\n` });
      expect(await wiac(['lock', root])).toMatchObject({ exitCode: 0 });
      const [source] = JSON.parse(lockOf(root)).sources as { digest: string; index: string }[];
      return { root, digest: source?.digest ?? '', index: source?.index ?? '' };
    };
    const [good, evil] = [await lockedTo('good'), await lockedTo('evil')];
    const root = context({ Dockerfile: `FROM ${name}@${good.index}\n` });
    const build = () => wiac(['build', '-q', '--locked', root]);
    expect(await wiac(['lock', root])).toMatchObject({ exitCode: 0 });
    const right = lockOf(root);
    const forged = right.replace(good.digest, evil.digest);
    for (const text of [forged, right, forged]) {
      writeFileSync(join(root, 'Dockerfile.lock'), text);
      const { exitCode, stderr } = await build();
      expect(exitCode).toBe(text === right ? 0 : 11);
      if (text === forged)
        expect(stderr).toContain(`has the digest ${good.digest}, not ${evil.digest} of `);
    }
    writeFileSync(join(root, 'Dockerfile.lock'), right);
    front.fault = (_request, response) => response.destroy() !== undefined;
    expect(await build()).toMatchObject({ exitCode: 0 });
    front.fault = () => false;
    writeFileSync(
      join(evil.root, 'Dockerfile.lock'),
      lockOf(evil.root).replace(evil.digest, evil.index),
    );
    expect(await refused(evil.root)).toMatchObject({
      exitCode: 11,
      stderr: expect.stringContaining(`has the digest ${evil.digest}, not ${evil.index} of `),
    });
  }, 60_000);

  test('an image that was built here is locked as the registry has it, once that has it', async () => {
    const { wiac } = machine();
    const name = `${registry.host}/team/base:1`;
    const base = context({ Dockerfile: dockerfile('RUN echo one > /v') });
    const other = context({ Dockerfile: `FROM ${name}\nRUN cat /v\n` });
    expect((await wiac(['build', '-q', '-t', name, base])).exitCode).toBe(0);
    const alone = await wiac(['lock', other]);
    expect(alone.stderr).toContain('is kept on this machine alone');
    expect(alone.stderr).toContain('nothing is locked');
    const pushed = await wiac(['push', name, name]);
    const digest = pushed.stdout.trim();
    expect(await wiac(['lock', other])).toMatchObject({ exitCode: 0, stderr: '' });
    expect(JSON.parse(lockOf(other)).sources).toEqual([expect.objectContaining({ digest })]);
    // What is built after that is another image, and not what the registry has.
    writeFileSync(join(base, 'Dockerfile'), dockerfile('RUN echo two > /v'));
    expect((await wiac(['build', '-q', '-t', name, base])).exitCode).toBe(0);
    const built = await wiac(['build', '--locked', '--progress=plain', other]);
    expect(built.exitCode).toBe(0);
    expect(built.stderr).toMatch(/one$/m);
    const updated = await wiac(['lock', '--update', other]);
    expect(updated.stderr).toContain('is kept on this machine alone');
  });

  test('an archive that is another one, and an image that was built here', async () => {
    const { wiac } = machine();
    const root = context({ v: 'one' });
    const archive = join(root, 'base.tar');
    const write = (text: string) => {
      writeFileSync(join(root, 'Dockerfile'), text);
      return wiac(['build', '-q', '-t', 'mine', '-o', `type=oci,dest=${archive}`, root]);
    };
    await write('FROM scratch\nCOPY v /v\n');
    const from = `FROM oci-archive:${archive} AS a\nFROM mine\n`;
    const other = context({ Dockerfile: from });
    const locked = await wiac(['lock', other]);
    expect(locked).toMatchObject({
      exitCode: 0,
      stderr: expect.stringMatching(
        /mine:latest \(linux\/\w+\) is kept on this machine alone and can't be locked/,
      ),
    });
    expect(JSON.parse(lockOf(other)).sources).toHaveLength(1);
    const build = (...flags: string[]) => wiac(['build', '-q', ...flags, other]);
    expect(await build('--locked', '--target', 'a')).toMatchObject({ exitCode: 0, stderr: '' });
    expect(await build()).toMatchObject({
      exitCode: 0,
      stderr: expect.stringContaining(
        "mine:latest (linux/amd64) is kept on this machine alone and can't be locked",
      ),
    });
    await write('FROM scratch\nCOPY v /w\n');
    expect(await build('--target', 'a')).toMatchObject({
      exitCode: 11,
      stderr: expect.stringMatching(
        /Dockerfile:1:1: oci-archive:.* has the digest sha256:\w+, not sha256:\w+ of .*Dockerfile\.lock\n/,
      ),
    });
  }, 60_000);
});

/** The messages of a build that has to fail. */
async function refused(root: string, ...flags: string[]) {
  const { exitCode, stderr } = await machine().wiac(['build', '-q', ...flags, root]);
  return { exitCode, stderr };
}

describe('repositories and files', () => {
  test('a branch moves, a file changes: a locked build has what was locked, and asks nobody again', async () => {
    const { root: served, git } = await repository({
      a: 'one',
      Dockerfile: 'FROM scratch\n',
      'Dockerfile.lock': '<<<<<<< HEAD\n',
    });
    const web = await serveFiles(served);
    writeFileSync(join(served, 'file'), 'one');
    try {
      const [url, file] = [`http://${web.host}/r.git`, `http://${web.host}/file`];
      const root = context({
        Dockerfile: `FROM scratch\nADD ${url}#main /r/\nADD ${file} /f/\nADD ${url} /again/\n`,
      });
      const { wiac, build } = machine();
      expect(await wiac(['lock', root])).toMatchObject({ exitCode: 0, stderr: '' });
      const first = await git('rev-parse', 'HEAD');
      expect(lockOf(root).split('\n').slice(6, 9)).toEqual([
        `    {"git":"${url}","commit":"${first}","usedBy":["ADD ${url} /again/"]},`,
        `    {"git":"${url}","ref":"main","commit":"${first}","usedBy":["ADD ${url}#main /r/"]},`,
        `    {"http":"${file}","checksum":"sha256:7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed","usedBy":["ADD ${file} /f/"]}`,
      ]);
      await git('commit', '-q', '--allow-empty', '-m', 'two');
      await git('push', '-q', '../r.git', 'main');
      await git('-C', '../r.git', 'update-server-info');
      // The file is still the same: it is fetched by its checksum.
      expect(ranSteps((await build(root, '--locked')).events)).toHaveLength(6);
      writeFileSync(join(served, 'file'), 'two');
      web.seen.length = 0;
      expect(ranSteps((await build(root, '--frozen')).events)).toEqual([]);
      expect(web.seen).toEqual([]);
      const outdated = await wiac(['lock', '--outdated', root]);
      expect(outdated).toMatchObject({ exitCode: 1, stderr: '' });
      expect(outdated.stdout.trimEnd().split('\n')).toHaveLength(4);
      // The lock file of a context from elsewhere comes with it.
      expect(await refused(url)).toMatchObject({
        exitCode: 14,
        stderr: expect.stringMatching(
          /^wiac: Dockerfile\.lock \(http:.*\/r\.git\):1:1: a merge conflict was left/,
        ),
      });
      const changed = await refused(root);
      expect(changed.exitCode).toBe(14);
      expect(changed.stderr).toMatch(
        /Dockerfile:3:1: .*\/file has the digest sha256:3fc4\w+, .*Dockerfile\.lock says sha256:7692/,
      );
      // Only what is named is renewed.
      expect((await wiac(['lock', '--update', root, file])).stdout).toMatch(
        /^~ file .* -> sha256:3fc4\w+\n$/,
      );
      writeFileSync(join(root, 'Dockerfile.lock'), lockOf(root).replaceAll(first, 'a'.repeat(40)));
      const lost = await refused(root);
      expect(lost.exitCode).toBe(14);
      expect(lost.stderr).toMatch(
        /Dockerfile:[24]:1: .*can't be fetched.*; .*Dockerfile\.lock says that it is commit a{40}/,
      );
    } finally {
      web.stop();
    }
  }, 60_000);
});

describe('what is no lock file, or is of something else', () => {
  test('arguments, targets, contexts and two Dockerfiles', async () => {
    const base = `${front.host}/base`;
    const root = context({
      Dockerfile: `ARG V=1\nFROM scratch AS own\nCOPY v /v\nFROM ${base}:$V AS base\nFROM scratch\nCOPY --from=base /v /v\n`,
      v: 'own',
      'Dockerfile.dev': `FROM ${base}:2 AS x\nFROM x\n`,
    });
    const { wiac } = machine();
    const build = (...flags: string[]) => wiac(['build', '-q', ...flags, root]);
    expect((await build('--locked')).stderr).toMatch(
      /there is no lock file Dockerfile\.lock beside the Dockerfile\nhint: wiac lock writes it\n/,
    );
    expect(await wiac(['lock', root])).toMatchObject({ exitCode: 0, stderr: '' });
    expect(await wiac(['lock', '-f', join(root, 'Dockerfile.dev'), root])).toMatchObject({
      exitCode: 0,
    });
    const first = lockOf(root);
    expect(first).toContain('"usedBy":["base: FROM '.concat(`${base}:$V AS base"]`));
    expect(lockOf(root, 'Dockerfile.dev')).toContain(`${base}:2`);
    // Another image by an argument is not in it.
    expect(await build('--build-arg', 'V=2')).toMatchObject({
      exitCode: 0,
      stderr: expect.stringContaining(`image ${base}:2 (linux/amd64) is not in `),
    });
    expect(await build('--build-arg', 'V=2', '--locked')).toMatchObject({
      exitCode: 14,
      stderr: expect.stringMatching(
        /^wiac: .*Dockerfile:4:1: image .* is not in .*Dockerfile\.lock\n/,
      ),
    });
    // A directory or a stage in the place of an image needs no entry; a target needs fewer.
    const override = ['--build-context', `${base}:2=${root}`, '--build-arg', 'V=2'];
    for (const flags of [
      override,
      ['--target', 'base'],
      ['--build-context', `${base}:1=target:own`],
    ])
      expect(await build('--locked', ...flags)).toMatchObject({ exitCode: 0, stderr: '' });
    expect(await wiac(['lock', '--check', root])).toMatchObject({
      exitCode: 0,
      stdout: '',
      stderr: '',
    });
    expect(lockOf(root)).toBe(first);
    writeFileSync(join(root, 'Dockerfile.dev.lock'), first);
    expect(await wiac(['lock', '--check', '-f', join(root, 'Dockerfile.dev'), root])).toMatchObject(
      {
        exitCode: 14,
        stderr: expect.stringMatching(
          /Dockerfile\.dev\.lock:3:1: this is the lock file of Dockerfile, not of Dockerfile\.dev\n/,
        ),
      },
    );
    writeFileSync(join(root, 'Dockerfile'), `FROM ${base}:3\n`);
    front.log.length = 0;
    const checked = await wiac(['lock', '--check', '--json', root]);
    expect(checked.exitCode).toBe(1);
    expect(JSON.parse(checked.stdout)).toMatchObject([
      { problem: 'missing', location: { line: 1 } },
      { problem: 'unused', location: { line: 7 } },
    ]);
    expect(front.log).toEqual([]);
  }, 60_000);

  test('links, directories, and what is too large', async () => {
    const outside = context({ 'x.lock': '{}' });
    const { wiac } = machine();
    const wrong = async (make: (path: string) => void) => {
      const root = context({ Dockerfile: 'FROM scratch\nCOPY bin /b\n' });
      make(join(root, 'Dockerfile.lock'));
      const { exitCode, stderr } = await wiac(['build', '-q', root]);
      expect(exitCode).toBe(14);
      expect(await wiac(['build', '-q', '--no-lock', root])).toMatchObject({ exitCode: 0 });
      return stderr;
    };
    expect(await wrong((path) => symlinkSync(join(outside, 'x.lock'), path))).toMatch(
      /Dockerfile\.lock can't be read: it is a link that leads out of its directory\nhint: /,
    );
    expect(await wrong((path) => mkdirSync(path))).toMatch(/can't be read: it is no file\n/);
    expect(await wrong((path) => writeFileSync(path, ' '.repeat((4 << 20) + 1)))).toMatch(
      /can't be read: it is larger than 4 MiB\n/,
    );
  }, 60_000);
});

test('a hermetic build: who wanted out, who may, and what plan and provenance say', async () => {
  const web = await serveFiles(context({ x: 'content' }));
  try {
    const fetched = `RUN busybox wget -q -O /x http://${web.host}/x`;
    const root = context({
      Dockerfile: `FROM scratch AS o\nRUN --network=host true\nFROM scratch AS b\nCOPY bin /bin\nRUN true\n${fetched}\nADD http://${web.host}/x /y\n`,
    });
    const { wiac } = machine();
    // What a build would have to be allowed is not run here.
    expect(await wiac(['lock', root])).toMatchObject({ exitCode: 0, stderr: '' });
    const alone = await wiac(['build', '-q', '--hermetic', root]);
    expect(alone.exitCode).toBe(5);
    expect(alone.stderr).toMatch(
      /Dockerfile:6:1: the step ended with exit code 1; it wanted to reach 127\.0\.0\.1, and it has no network\n/,
    );
    expect(alone.stderr).toMatch(
      /\nhint: allow it: "allow-network": \["b\/RUN busybox wget"\] in the lock file\n$/,
    );
    const allowed = lockOf(root).replace(
      '"allow-network": []',
      '"allow-network": ["b/RUN busybox wget"]',
    );
    writeFileSync(join(root, 'Dockerfile.lock'), allowed);
    expect(await wiac(['lock', '--update', root])).toMatchObject({ exitCode: 0 });
    expect(JSON.parse(lockOf(root))['allow-network']).toEqual(['b/RUN busybox wget']);
    const metadata = join(tempDir(), 'metadata.json');
    const env = { BUILDX_METADATA_PROVENANCE: 'max', SOURCE_DATE_EPOCH: '7' };
    for (const round of ['run', 'cached']) {
      const flags = ['build', '-q', '--hermetic', '--locked', '--metadata-file', metadata];
      expect({ round, ...(await wiac([...flags, root], { env })) }).toMatchObject({
        exitCode: 0,
        stderr: '',
      });
      const { buildDefinition, runDetails } = JSON.parse(readFileSync(metadata, 'utf8'))[
        'buildx.build.provenance'
      ];
      expect(buildDefinition.resolvedDependencies).toEqual([
        { uri: `http://${web.host}/x`, digest: { sha256: expect.stringMatching(/^ed7002b4/) } },
      ]);
      const { lockFile, sourceDateEpoch, buildConfig } = buildDefinition.internalParameters;
      expect({ lockFile, sourceDateEpoch }).toEqual({
        lockFile: {
          path: 'Dockerfile.lock',
          digest: { sha256: createHash('sha256').update(lockOf(root)).digest('hex') },
        },
        sourceDateEpoch: 7,
      });
      const runs = buildConfig.steps.filter(({ kind }: { kind: string }) => kind === 'run');
      expect(runs.map(({ hermetic }: { hermetic: boolean }) => hermetic)).toEqual([true, false]);
      expect(runDetails.metadata.buildkit_hermetic).toBe(false);
    }
    const { stdout } = await wiac(['plan', '--hermetic', root]);
    expect(stdout).toMatch(/RUN true \(hermetic\)\n/);
    expect(stdout).not.toMatch(/wget.*\(hermetic\)/);
  } finally {
    web.stop();
  }
}, 60_000);
