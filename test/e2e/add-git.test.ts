/** ADD of git repositories: what a URL can say, and servers and formats of every kind. */
import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { describeLayers } from '../support/tree.js';
import { warmMachines } from '../support/warm-command.js';
import type { WebServer } from '../support/web-server.js';
import { repository, serveFiles } from '../support/web-server.js';
import { context, ranSteps } from '../support/wiac.js';

const machine = warmMachines();

let server: WebServer | undefined;
afterEach(() => server?.stop());

async function add(source: string) {
  const root = context({ Dockerfile: `FROM scratch\nADD ${source} /x\n` });
  const { exitCode, stdout, stderr } = await machine().wiac(['build', '-q', root]);
  const files = exitCode === 0 ? await describeLayers(stdout.trim()) : [];
  return { exitCode, stderr, names: files.map((line) => line.split(' ')[0]?.replace(/^x\/?/, '')) };
}

/** A repository with a branch and a tag of one name, whose second commit adds a file. */
async function twoCommits(...init: string[]) {
  const made = await repository({ one: '1', 'd/file': 'x' }, ...init);
  const { git } = made;
  const first = await git('rev-parse', 'HEAD');
  await git('tag', '-a', '-m', 'tag', 'v');
  await git('checkout', '-q', '-b', 'v');
  await git('rm', '-q', 'one');
  await git('commit', '-q', '-m', 'two');
  await git('push', '-q', '../r.git', 'refs/heads/v', 'refs/tags/v');
  await git('-C', '../r.git', 'update-server-info');
  return { ...made, first, second: await git('rev-parse', 'HEAD') };
}

test('why names the commit of the branch that moved, not another branch of the repository', async () => {
  const { root, first, second, git } = await twoCommits();
  await git('push', '-q', '../r.git', `${first}:refs/heads/moves`);
  const url = `file://${root}/r.git`;
  const made = machine();
  const adding = (ref: string) => context({ Dockerfile: `FROM scratch\nADD ${url}${ref} /a\n` });
  const directory = adding('#moves');
  await made.build(directory);
  // The newest entry of this instruction.
  await made.build(adding('?tag=v'));
  await git('push', '-q', '../r.git', `${second}:refs/heads/moves`);
  const { stdout } = await made.wiac(['why', directory]);
  expect(stdout).toContain(`content changed from "${first}" to "${second}"\n`);
  expect(stdout).not.toContain('source changed');
});

describe.each(['file', 'http'])('over %s', (protocol) => {
  test('the query says which commit and which part of it', async () => {
    const { root, first, second, git } = await twoCommits();
    server = await serveFiles(root);
    const url = protocol === 'file' ? `file://${root}/r.git` : `http://${server.host}/r.git`;
    const before = ['', 'd', 'd/file', 'one'];
    const after = ['', 'd', 'd/file'];
    const tag = await git('rev-parse', 'v^{tag}').catch(() => git('rev-parse', 'refs/tags/v'));
    for (const [source, names] of [
      [url, before],
      [`${url}?branch=v`, after],
      [`${url}?tag=v`, before],
      [`${url}?ref=refs/heads/v`, after],
      [`${url}?commit=${first}`, before],
      [`${url}#${second}`, after],
      [`${url}?branch=v&checksum=${second.slice(0, 8)}`, after],
      [`${url}?tag=v&checksum=${first}`, before],
      [`${url}?tag=v&checksum=${tag}`, before],
      [`${url}?branch=v&subdir=d`, ['', 'file']],
      [`${url}#v:d`, ['', 'file']],
    ] as const) {
      const added = await add(source);
      expect({ source, stderr: added.stderr, names: added.names }).toEqual({
        source,
        stderr: '',
        names,
      });
    }
    const wrong = await add(`${url}?branch=v&checksum=${first}`);
    expect([wrong.exitCode, wrong.stderr]).toEqual([4, expect.stringContaining(second)]);
    const kept = await add(`${url}?keep-git-dir=1&branch=v`);
    expect(kept.names).toContain('.git/HEAD');
  });

  test('a repository with SHA-256', async () => {
    const { root, first } = await twoCommits('--object-format=sha256');
    server = await serveFiles(root);
    const url = protocol === 'file' ? `file://${root}/r.git` : `http://${server.host}/r.git`;
    expect(first).toHaveLength(64);
    for (const source of [`${url}?branch=v`, `${url}?branch=v&subdir=d`]) {
      const { exitCode, stderr } = await add(source);
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    }
    expect((await add(`${url}#${first}`)).names).toEqual(['', 'd', 'd/file', 'one']);
  });
});

describe('--keep-git-dir', () => {
  /** What git says of the repository in a layer. */
  async function built(made: ReturnType<typeof machine>, flags: string, source: string) {
    const root = context({ Dockerfile: `FROM scratch\nADD ${flags} ${source} /x\n` });
    const { lowerdirs, events } = await made.build(root);
    const cwd = join(lowerdirs.split(':')[0] ?? '', 'x');
    const env = {
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: 'safe.directory',
      GIT_CONFIG_VALUE_0: '*',
    };
    const git = async (...args: string[]) => (await execa('git', args, { cwd, env })).stdout;
    return { cwd, git, ran: ranSteps(events).filter((step) => step.startsWith('fetch ')).length };
  }

  test.each(['file', 'http'])(
    'over %s: where it is from, and the ref that was asked for',
    async (protocol) => {
      const { root, first, second, git } = await twoCommits();
      await git('push', '-q', '../r.git', `${first}:refs/tags/light`);
      await git('-C', '../r.git', 'update-server-info');
      server = await serveFiles(root);
      const url = protocol === 'file' ? `file://${root}/r.git` : `http://${server.host}/r.git`;
      const tag = await built(machine(), '--keep-git-dir', `${url}#v`);
      expect(await tag.git('remote', 'get-url', 'origin')).toBe(url);
      expect(await tag.git('cat-file', '-t', 'refs/tags/v')).toBe('tag');
      expect(await tag.git('describe')).toBe('v');
      expect(await tag.git('status', '--short')).toBe('');
      const light = await built(machine(), '--keep-git-dir=true', `${url}#light`);
      expect(await light.git('rev-parse', 'refs/tags/light')).toBe(first);
      const branch = await built(machine(), '', `${url}?branch=v&keep-git-dir=true`);
      expect(await branch.git('rev-parse', 'refs/heads/v', 'HEAD')).toBe(`${second}\n${second}`);
      // Who fetched it, and when, is nobody's business.
      expect(existsSync(join(tag.cwd, '.git/logs'))).toBe(false);
    },
  );

  test('a tag that is made anew for the same commit is fetched anew, where .git has it', async () => {
    const { root, git } = await twoCommits();
    const url = `file://${root}/r.git`;
    const made = machine();
    const ask = async (flags: string) => (await built(made, flags, `${url}?tag=v`)).ran;
    expect([await ask('--keep-git-dir'), await ask('')]).toEqual([1, 1]);
    expect([await ask('--keep-git-dir'), await ask('')]).toEqual([0, 0]);
    await git('tag', '-f', '-a', '-m', 'another', 'v', 'refs/tags/v^{commit}');
    await git('push', '-q', '-f', '../r.git', 'refs/tags/v');
    expect([await ask('--keep-git-dir'), await ask('')]).toEqual([1, 0]);
  });
});

test('the address of a submodule is relative to that of the repository', async () => {
  const inner = await repository({ inner: 'x' });
  const { root, git } = await repository({ top: 'x' });
  renameSync(join(inner.root, 'r.git'), join(root, 's.git'));
  const commit = await inner.git('rev-parse', 'HEAD');
  writeFileSync(join(root, 'work/.gitmodules'), '[submodule "s"]\n\tpath = s\n\turl = ../s.git\n');
  await git('update-index', '--add', '--cacheinfo', `160000,${commit},s`);
  await git('add', '.gitmodules');
  await git('commit', '-q', '-m', 'submodule');
  await git('push', '-q', '../r.git', 'main');
  await git('-C', '../r.git', 'update-server-info');
  server = await serveFiles(root);
  const { exitCode, names } = await add(`http://${server.host}/r.git`);
  expect(exitCode).toBe(0);
  expect(names).toEqual(['', '.gitmodules', 's', 's/.git', 's/inner', 'top']);
});

test('a file without a name', async () => {
  const { root } = await repository({ index: 'x' });
  server = await serveFiles(`${root}/work`);
  expect((await add(`http://${server.host}/`)).names).toEqual(['']);
  const into = context({ Dockerfile: `FROM scratch\nADD http://${server.host}/ /x/\n` });
  const { stdout } = await machine().wiac(['build', '-q', into]);
  expect(await describeLayers(stdout.trim())).toContainEqual(
    expect.stringMatching(/^x\/__unnamed__ 600 /),
  );
});

test('ssh asks nothing on a terminal, and what it says is told', async () => {
  const ssh = 'sh -c "echo asks with $SSH_ASKPASS_REQUIRE >&2; exit 255"';
  const root = context({ Dockerfile: 'FROM scratch\nADD git@host.invalid:r.git /x\n' });
  const { stderr } = await machine().wiac(['build', root], { env: { GIT_SSH_COMMAND: ssh } });
  expect(stderr).toContain("git@host.invalid:r.git can't be fetched: asks with force\n");
});
