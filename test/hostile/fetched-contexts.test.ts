/** Contexts of somebody else: archives and repositories that want to reach this machine's files. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { warmMachines } from '../support/warm-command.js';
import type { WebServer } from '../support/web-server.js';
import { repository, serveFiles } from '../support/web-server.js';
import { tempDir, writeTree } from '../support/wiac.js';

const machine = warmMachines();

const SECRET = 'FROM secret-of-this-machine';
const PASSWORD = 'hunter2hunter2';

let server: WebServer | undefined;
afterEach(() => server?.stop());

/** A directory of this machine that nobody may read or write, with one file. */
function outside(): string {
  const root = tempDir();
  writeFileSync(join(root, 'secret'), `${SECRET}\n[\n`);
  return root;
}

/** Makes an archive of what a shell script leaves in a directory. */
async function archive(script: string, ...flags: string[]): Promise<string> {
  const [work, path] = [tempDir(), join(tempDir(), 'context.tar')];
  await execa('bash', ['-euc', script], { cwd: work });
  await execa('tar', ['-cPf', path, ...(flags.length > 0 ? flags : ['.'])], { cwd: work });
  return path;
}

async function refused(source: string, host: string, ...flags: string[]): Promise<string> {
  const made = machine();
  const { exitCode, stdout, stderr } = await made.wiac(['build', ...flags, source]);
  expect({ exitCode, stderr }).toMatchObject({ exitCode: 4 });
  expect(stdout + stderr).not.toContain('secret-of-this-machine');
  expect(readdirSync(host)).toEqual(['secret']);
  expect(readdirSync(join(made.root, 'tmp'))).toEqual([]);
  return stderr;
}

const COPY = 'FROM scratch\nCOPY . /x/\n';

describe('links that lead out', () => {
  type Tree = (host: string) => Readonly<Record<string, string>>;
  const cases: [string, Tree, string[]][] = [
    ['Dockerfile', (host) => ({ Dockerfile: `-> ${host}/secret` }), []],
    ['Dockerfile upwards', (host) => ({ Dockerfile: `-> ../../../../../../..${host}/secret` }), []],
    ['.dockerignore', (host) => ({ Dockerfile: COPY, '.dockerignore': `-> ${host}/secret` }), []],
    [
      'ignore file of the Dockerfile',
      (host) => ({ Dockerfile: COPY, 'Dockerfile.dockerignore': `-> ${host}/secret` }),
      [],
    ],
    ['a directory', (host) => ({ d: `-> ${host}`, Dockerfile: COPY }), ['-f', 'd/secret']],
    ['no link, but ..', () => ({ Dockerfile: COPY }), ['-f', '../../../../../../etc/passwd']],
    ['of COPY', (host) => ({ Dockerfile: 'FROM scratch\nCOPY d/secret /\n', d: `-> ${host}` }), []],
  ];

  test.each(cases)('%s', async (_, tree, flags) => {
    const host = outside();
    const files = tree(host);
    const work = tempDir();
    writeTree(work, files);
    const path = join(tempDir(), 'a');
    await execa('tar', ['-C', work, '-cf', path, '.']);
    await refused(path, host, ...flags);
    const { root } = await repository(files);
    await refused(`file://${root}/r.git`, host, ...flags);
  });
});

describe('members of an archive', () => {
  test('a file through a link of the archive', async () => {
    const host = outside();
    const first = await archive(`printf '${COPY}' > Dockerfile; ln -s ${host} o`);
    const second = await archive('mkdir o; echo evil > o/evil', 'o/evil');
    await execa('tar', ['-A', '-f', first, second]);
    const { lowerdirs } = await machine().build(first);
    expect(readdirSync(host)).toEqual(['secret']);
    expect(readFileSync(join(lowerdirs, 'x', host, 'evil'), 'utf8')).toBe('evil\n');
  });

  test('a hard link to a file of this machine', async () => {
    const host = outside();
    const script = `printf '${COPY}' > Dockerfile; touch f; ln f l`;
    const rename = ['--transform', `flags=h;s,^f$,${host}/secret,`];
    const path = await archive(script, ...rename, 'Dockerfile', 'l', 'f');
    const swapped = await archive(
      script,
      '--transform',
      `flags=h;s,^l$,${host}/secret,`,
      'Dockerfile',
      'l',
      'f',
    );
    for (const each of [path, swapped]) {
      const { stdout, stderr } = await machine().wiac(['build', each]);
      expect(stdout + stderr).not.toContain('secret-of-this-machine');
      if (stdout !== '') {
        const found = await execa('grep', ['-r', SECRET, stdout.trim()], { reject: false });
        expect(found.stdout).toBe('');
      }
      expect(readFileSync(join(host, 'secret'), 'utf8')).toContain(SECRET);
    }
  });

  test('a name that leads out', async () => {
    const path = await archive('echo 1 > f', '--transform', 's,^f$,d/../../f,', 'f');
    expect(await refused(path, outside())).toContain('leads out of the destination');
  });

  test('a device', async () => {
    const path = await archive(`printf '${COPY}' > Dockerfile; mknod disk b 7 0`);
    expect(await refused(path, outside())).toContain('holds the device');
  });

  test('a fifo in the place of a Dockerfile is not waited for', async () => {
    const path = await archive('mkfifo Dockerfile');
    expect(await refused(path, outside())).toContain('there is no Dockerfile in');
  });
});

describe('user and password', () => {
  /** Files below a directory that hold the password, as text or in base64. */
  async function filesWith(root: string): Promise<string> {
    const encoded = Buffer.from(`user:${PASSWORD}`).toString('base64').slice(0, -4);
    const args = ['-rlaE', `${PASSWORD}|${encoded}`, root];
    return (await execa('grep', args, { reject: false })).stdout;
  }

  test('are in no output, no statement and no file of the store', async () => {
    const { root } = await repository({ Dockerfile: COPY });
    await execa('tar', ['-C', join(root, 'work'), '-czf', join(root, 'a.tgz'), 'Dockerfile']);
    writeFileSync(join(root, 'plain'), 'FROM scratch\nCOPY nosuch /\n');
    server = await serveFiles(root, [PASSWORD]);
    const url = `http://user:${PASSWORD}@${server.host}`;
    const { root: store, wiac } = machine();
    const out = tempDir();
    const local = join(root, 'work');
    const flags = [
      '--provenance=mode=max',
      `--metadata-file=${join(out, 'metadata')}`,
      `--output=type=oci,dest=${join(out, 'image')},tar=false,compression=uncompressed`,
      '--progress=json',
    ];
    const calls: [number, string[]][] = [
      [0, ['build', ...flags, `${url}/a.tgz`]],
      [0, ['build', ...flags, `${url}/r.git#main`]],
      [0, ['build', ...flags, '-f', `${url}/work/Dockerfile`, local]],
      [0, ['build', ...flags, `--build-context=other=${url}/r.git`, local]],
      [0, ['plan', `${url}/r.git`]],
      [4, ['build', `${url}/plain`]],
      [4, ['build', `${url}/nosuch`]],
      [4, ['build', '--progress=json', `${url}/r.git#nosuch`]],
      [4, ['build', '-f', 'nosuch', `${url}/a.tgz`]],
      [2, ['build', `${url}/r.git?nosuch=1`]],
    ];
    for (const [code, args] of calls) {
      const { exitCode, stdout, stderr } = await wiac(args);
      expect({ args, exitCode, stderr }).toMatchObject({ exitCode: code });
      expect(stdout + stderr).not.toContain(PASSWORD);
      expect(stdout + stderr).not.toContain('user:');
    }
    expect(await filesWith(store)).toBe('');
    expect(await filesWith(out)).toBe('');
  });
});
