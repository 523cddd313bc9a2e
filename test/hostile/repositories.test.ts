/** Repositories that are made to read this machine's files, or to run something on it. */
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { describeLayers } from '../support/tree.js';
import { warmMachines } from '../support/warm-command.js';
import type { WebServer } from '../support/web-server.js';
import { repository, serveFiles } from '../support/web-server.js';
import type { RunOptions } from '../support/wiac.js';
import { context, tempDir, writeTree } from '../support/wiac.js';

const machine = warmMachines();

let server: WebServer | undefined;
afterEach(() => server?.stop());

async function add(source: string, options: RunOptions = {}) {
  const made = machine();
  const root = context({ Dockerfile: `FROM scratch\nADD ${source} /x\n` });
  const result = await made.wiac(['build', '-q', root], options);
  const files = result.exitCode === 0 ? await describeLayers(result.stdout.trim()) : [];
  return { ...result, files };
}

const names = (files: readonly string[]) => files.map((line) => line.split(' ')[0]);

describe.each(['file', 'http'])('a directory of a repository over %s', (protocol) => {
  async function getUrl(root: string): Promise<string> {
    if (protocol === 'file') return `file://${root}/r.git`;
    server = await serveFiles(root);
    return `http://${server.host}/r.git`;
  }

  test.each([
    ['an absolute link', 'OUTSIDE', 'l'],
    ['below an absolute link', 'OUTSIDE', 'l/sub'],
    ['a link upwards', '../../../../../../../../../../OUTSIDE', 'l/sub'],
    ['a link to a link', 'm', 'l/sub'],
  ])('%s leads nowhere', async (_, target, directory) => {
    const outside = tempDir();
    writeTree(outside, { 'sub/secret': 'secret' });
    const link = target.replace('OUTSIDE', outside).replace('..//', '../');
    const files = { l: `-> ${link}`, m: `-> ${outside}`, 'd/file': 'x' };
    const url = await getUrl((await repository(files)).root);
    const { exitCode, stderr } = await add(`${url}#main:${directory}`);
    expect({ exitCode, stderr }).toEqual({
      exitCode: 4,
      stderr: expect.stringMatching(/Dockerfile:2:1: .*is not there/),
    });
  });

  test('a link within is followed; links in it stay links', async () => {
    const files = { l: '-> /d/e', 'd/e/file': 'x', 'd/e/passwd': '-> /etc/passwd' };
    const url = await getUrl((await repository(files)).root);
    const { files: found } = await add(`${url}#main:l`);
    expect(found).toEqual([
      'x 755 0:0 dir',
      `x/file 644 0:0 ${Buffer.from('x').toString('base64')}`,
      'x/passwd 0:0 -> /etc/passwd',
    ]);
  });

  test('a file is no directory', async () => {
    const url = await getUrl((await repository({ file: 'x' })).root);
    for (const [directory, problem] of [
      ['file', 'is no directory'],
      ['file/below', 'is not there'],
    ]) {
      const { exitCode, stderr } = await add(`${url}#main:${directory}`);
      expect({ exitCode, stderr }).toEqual({
        exitCode: 4,
        stderr: expect.stringContaining(problem ?? ''),
      });
    }
  });
});

describe('what git would run or read', () => {
  /** A home directory whose git runs commands, and the file that says they ran. */
  function home(...settings: string[]): { env: Record<string, string>; ran: string } {
    const directory = tempDir();
    const ran = join(directory, 'ran');
    const hooks = join(directory, 'hooks');
    mkdirSync(hooks);
    for (const hook of ['post-checkout', 'reference-transaction', 'post-index-change']) {
      writeFileSync(join(hooks, hook), `#!/bin/sh\necho ${hook} >> ${ran}\n`);
      chmodSync(join(hooks, hook), 0o755);
    }
    const config = [
      `[core]\n\thooksPath = ${hooks}\n\tautocrlf = true\n\tsymlinks = false`,
      `[filter "evil"]\n\tsmudge = tee -a ${ran}\n\trequired = true`,
      `[filter "lfs"]\n\tprocess = touch ${ran}\n\trequired = true`,
      `[init]\n\ttemplateDir = ${directory}`,
      '[protocol "file"]\n\tallow = always\n[protocol "ext"]\n\tallow = always',
      ...settings,
    ];
    writeFileSync(join(directory, '.gitconfig'), `${config.join('\n')}\n`);
    return { env: { HOME: directory }, ran };
  }

  test("hooks, filters and line ends of this user's settings", async () => {
    const { root } = await repository({
      file: 'one\ntwo\n',
      large: 'pointer\n',
      link: '-> file',
      '.gitattributes': 'file filter=evil\nlarge filter=lfs\n',
    });
    const { env, ran } = home();
    const plain = await add(`file://${root}/r.git`);
    expect(names(plain.files)).toContain('x/link');
    expect((await add(`file://${root}/r.git`, { env })).files).toEqual(plain.files);
    expect(existsSync(ran)).toBe(false);
  });

  test('a submodule that is a repository of this machine, or a command', async () => {
    const secret = await repository({ secret: 'secret' });
    const { env, ran } = home();
    for (const url of [
      `file://${secret.root}/r.git`,
      `${secret.root}/r.git`,
      `ext::touch ${ran}`,
    ]) {
      const { root, git } = await repository({ file: 'x', '.gitmodules': '' });
      writeFileSync(
        join(root, 'work/.gitmodules'),
        `[submodule "s"]\n\tpath = s\n\turl = ${url}\n\tupdate = checkout\n`,
      );
      const commit = await execa('git', ['rev-parse', 'HEAD'], { cwd: join(secret.root, 'work') });
      await git('update-index', '--add', '--cacheinfo', `160000,${commit.stdout},s`);
      await git('add', '.gitmodules');
      await git('commit', '-q', '-m', 'submodule');
      await git('push', '-q', '../r.git', 'main');
      const { exitCode, stderr } = await add(`file://${root}/r.git`, { env });
      expect({ exitCode, stderr }).toEqual({
        exitCode: 4,
        stderr: expect.stringMatching(/not allowed|can't be fetched/),
      });
      const without = await add(`file://${root}/r.git?submodules=false`, { env });
      expect(names(without.files)).toEqual(['x', 'x/.gitmodules', 'x/file', 'x/s']);
    }
    expect(existsSync(ran)).toBe(false);
  });

  test('another repository that the environment names is left alone', async () => {
    const mine = await repository({ mine: 'x' });
    const { root } = await repository({ file: 'x' });
    const env = {
      GIT_DIR: join(mine.root, 'work/.git'),
      GIT_WORK_TREE: join(mine.root, 'work'),
      GIT_INDEX_FILE: join(mine.root, 'work/.git/index'),
    };
    expect(names((await add(`file://${root}/r.git`, { env })).files)).toEqual(['x', 'x/file']);
    expect(await mine.git('status', '--porcelain')).toBe('');
    expect(await mine.git('log', '--format=%s')).toBe('one');
  });

  test.each(['#--upload-pack=touch${IFS}/tmp/x', '#-x', '?ref=--upload-pack=x', '#a..b', '#*'])(
    'a ref that is none: %s',
    async (ref) => {
      const { root } = await repository({ file: 'x' });
      const { exitCode, stderr } = await add(`"file://${root}/r.git${ref}"`.replaceAll('"', ''));
      expect([exitCode, stderr]).toEqual([3, expect.stringContaining('Dockerfile:2:1')]);
    },
  );

  test.each(['ssh://-oProxyCommand=touch%20x/r.git', 'ssh://-l@host/r.git', '-oProxyCommand@h:r'])(
    'a host or user that is an option: %s',
    async (source) => {
      const { exitCode } = await add(`-- ${source}`);
      expect([3, 4]).toContain(exitCode);
    },
  );
});

test('the umask of the caller changes no file', async () => {
  const { root } = await repository({ 'd/file': 'x' });
  const made = machine();
  const source = context({ Dockerfile: `FROM scratch\nADD file://${root}/r.git /x\n` });
  const script = `umask 077; exec ${process.execPath} ${join(process.cwd(), 'dist/wiac.cjs')} build -q ${source}`;
  const { stdout } = await execa('sh', ['-c', script], { env: { WIAC_ROOT: made.root } });
  expect(await describeLayers(stdout)).toEqual((await add(`file://${root}/r.git`)).files);
});
