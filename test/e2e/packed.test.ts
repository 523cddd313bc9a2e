/** wiac as npm installs it: from its archive, with the packages it loads and no others, on each Node. */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { context, dockerfile, printed, tempDir } from '../support/wiac.js';

/** Majors beside the one that runs the tests. npm's packages of Node hold nothing but the program. */
const OTHER_NODES = ['22', '24'];
const NEWEST = 'latest';

/** Not tempDir(): it is kept from one test to the next. */
let home: string;
let modules: string;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'wiac-packed-'));
  // What npm reads from its cache is not fetched again.
  const flags = ['--prefer-offline', '--no-audit', '--no-fund', '--no-save', '--ignore-scripts'];
  const install = (name: string, ...packages: readonly string[]) => {
    mkdirSync(join(home, name));
    return execa('npm', ['install', ...flags, '--prefix', join(home, name), ...packages]);
  };
  // dist/ is what src/ says: jest's set-up built it.
  await execa('npm', ['pack', '--ignore-scripts', '--pack-destination', home]);
  const [archive = ''] = readdirSync(home);
  await Promise.all([
    install('app', join(home, archive)),
    install(
      'nodes',
      ...[...OTHER_NODES, NEWEST].map(
        (major) => `node${major}@npm:node-linux-${process.arch}@${major}`,
      ),
    ),
  ]);
  modules = join(home, 'app/node_modules');
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

/** The installed command in a store. @param node the program that is to run it, this one otherwise */
function installedIn(store: string, node = process.execPath) {
  const bin = tempDir();
  symlinkSync(node, join(bin, 'node'));
  const env = { WIAC_ROOT: store, NODE_OPTIONS: '', PATH: `${bin}:${process.env.PATH}` };
  return (...args: readonly string[]) =>
    execa(join(modules, '.bin/wiac'), args, { env, reject: false });
}

/** Packages below node_modules, by name. */
function packages(): string[] {
  return readdirSync(modules)
    .filter((name) => !name.startsWith('.'))
    .flatMap((name) =>
      name.startsWith('@') ? readdirSync(join(modules, name)).map((sub) => `${name}/${sub}`) : name,
    )
    .sort();
}

test('it brings the package that it loads, and no other', async () => {
  const native = `@lmdb/lmdb-linux-${process.arch}`;
  expect(packages()).toEqual([native, 'wiac']);
  const manifest = JSON.parse(readFileSync(join(modules, 'wiac/package.json'), 'utf8'));
  expect(manifest.dependencies).toBe(undefined);
  // One a processor: they are what lmdb itself would install.
  const { version } = JSON.parse(readFileSync('node_modules/lmdb/package.json', 'utf8'));
  expect(manifest.optionalDependencies).toEqual({
    '@lmdb/lmdb-linux-arm64': version,
    '@lmdb/lmdb-linux-x64': version,
  });
  const wiac = installedIn(join(tempDir(), 'store'));
  expect(await wiac('cache', 'ls')).toMatchObject({ exitCode: 0, stderr: '' });
  renameSync(join(modules, native), join(home, 'away'));
  const without = await wiac('build', '-q', context({ Dockerfile: 'FROM scratch' }));
  renameSync(join(home, 'away'), join(modules, native));
  expect(without).toMatchObject({
    exitCode: 8,
    stderr: expect.stringContaining(`the package ${native} can't be loaded`),
  });
});

test('it brings the program that starts containers, for each processor', () => {
  // From the header of ELF: 64 bits, little-endian, and the machine.
  const machines = ['x64', 'arm64'].map((architecture) => {
    const path = join(modules, 'wiac/dist', `wiac-sys-${architecture}`);
    expect(statSync(path).mode & 0o777).toBe(0o755);
    const bytes = readFileSync(path);
    // No program header of type PT_INTERP: it is linked statically.
    const [first, size, count] = [bytes.readUInt32LE(32), bytes.readUInt16LE(54), bytes[56]];
    const types = Array.from({ length: count ?? 0 }, (_, index) =>
      bytes.readUInt32LE(first + index * size),
    );
    expect(types).not.toContain(3);
    return [...bytes.subarray(0, 6), bytes.readUInt16LE(18)];
  });
  const elf = [0x7f, 0x45, 0x4c, 0x46, 2, 1];
  expect(machines).toEqual([
    [...elf, 62],
    [...elf, 183],
  ]);
});

test('what is loaded late is in it as well', async () => {
  const wiac = installedIn(join(tempDir(), 'store'));
  const directory = context({ Dockerfile: dockerfile('ADD *.txt /texts/'), 'a.txt': 'a' });
  // fast-glob, execa and pino, one of whose records is on standard error.
  const report = join(directory, 'report.html');
  const flags = ['--compress', '--log-format=json', '--report', report];
  const built = await wiac('build', ...flags, directory);
  expect(built.exitCode).toBe(0);
  const record = built.stderr.split('\n').find((line) => line.startsWith('{'));
  expect(JSON.parse(record ?? '')).toMatchObject({ level: 40 });
  // What watches files, found beside the package.
  const watched = wiac('build', '--watch', '-q', directory);
  await printed(watched.stdout, '/l/');
  watched.kill('SIGINT');
  expect(await watched).toMatchObject({ exitCode: 130, stderr: 'wiac: stopped by SIGINT' });
  // The page that reports are made of.
  expect(readFileSync(report, 'utf8')).toContain('ADD *.txt /texts/');
  // undici.
  const refused = await wiac('pull', '127.0.0.1:1/image');
  expect(refused.stderr).toContain('ECONNREFUSED');
});

test('licences of the packages in the bundle come with it', () => {
  const licences = readFileSync(join(modules, 'wiac/dist/LICENSES.txt'), 'utf8');
  for (const name of ['commander', 'execa', 'lmdb', 'pino', 'undici', 'libdeflate'])
    expect(licences).toMatch(new RegExp(`^${name} `, 'm'));
  expect(licences).not.toMatch(/^(jest|esbuild|typescript) /m);
});

/** Bytes of the compiled code of builds. */
function compiledSize(version: string): number {
  const dist = join(modules, 'wiac/dist');
  const name = readdirSync(dist).find(
    (file) => file.startsWith('main.cjs-') && file.includes(`-build-${version}-`),
  );
  return name === undefined ? 0 : statSync(join(dist, name)).size;
}

/** Files of compiled code, and since when they are there. */
function compiled(version: string): Record<string, number> {
  const dist = join(modules, 'wiac/dist');
  const names = readdirSync(dist).filter((name) => name.includes(`-build-${version}-`));
  return Object.fromEntries(names.map((name) => [name, statSync(join(dist, name)).mtimeMs]));
}

/** Builds, runs, pushes and verifies. @returns digest of the context's layer, packed with gzip */
async function use(node: string, directory: string): Promise<string> {
  const root = tempDir();
  const wiac = installedIn(join(root, 'store'), node);
  const { stdout: version } = await execa(node, ['--version']);
  const build = ['build', '-q', '-t', 'image', directory];
  // What a run leaves that does little is not what all others have to do with.
  for (const name of Object.keys(compiled(version))) rmSync(join(modules, 'wiac/dist', name));
  expect(await wiac('build', '--help')).toMatchObject({ exitCode: 0 });
  const little = compiledSize(version);
  expect(await wiac(...build)).toMatchObject({ exitCode: 0, stderr: '' });
  expect([little, compiledSize(version) > 0]).toEqual([0, true]);
  // The next one runs no step, and loads what the first did not.
  await wiac(...build);
  const kept = compiled(version);
  expect(Object.keys(kept).some((name) => name.startsWith('main.cjs-'))).toBe(true);
  expect(await wiac(...build)).toMatchObject({ exitCode: 0, stderr: '' });
  expect(compiled(version)).toEqual(kept);
  const run = await wiac('run', 'image', '/bin/cat', '/file');
  expect(run).toMatchObject({ exitCode: 0, stdout: 'hello', stderr: '' });
  const layout = join(root, 'layout');
  const pushed = await wiac('push', 'image', `oci-layout://${layout}:image`);
  expect(pushed).toMatchObject({ exitCode: 0 });
  expect(await wiac('cache', 'verify', '--deep')).toMatchObject({ exitCode: 0 });
  const read = (path: string) => JSON.parse(readFileSync(join(layout, path), 'utf8'));
  const [{ digest }] = read('index.json').manifests;
  return read(`blobs/${digest.replace(':', '/')}`).layers[0].digest;
}

/** A program that was installed. */
const nodeOf = (major: string) => join(home, `nodes/node_modules/node${major}/bin/node`);

test('Node 20, 22 and 24 build, run and push alike', async () => {
  const directory = context({ Dockerfile: dockerfile('RUN echo hello > /file') });
  const digests: string[] = [];
  for (const node of [process.execPath, ...OTHER_NODES.map(nodeOf)])
    digests.push(await use(node, directory));
  // The same bytes of gzip with each.
  expect(digests).toEqual(digests.map(() => digests[0]));
});

test('the newest Node builds as well', async () => {
  const wiac = installedIn(join(tempDir(), 'store'), nodeOf(NEWEST));
  const directory = context({ Dockerfile: dockerfile('RUN echo made > /made') });
  const built = await wiac('build', directory);
  expect(built.exitCode === 0 ? '' : built.stderr).toBe('');
  expect(readFileSync(join(built.stdout.split(':')[0] ?? '', 'made'), 'utf8')).toBe('made\n');
});
