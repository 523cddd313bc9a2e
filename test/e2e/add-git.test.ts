/** ADD of git repositories: what a URL can say, and servers and formats of every kind. */
import { afterEach, describe, expect, test } from '@jest/globals';
import { describeLayers } from '../support/tree.js';
import { warmMachines } from '../support/warm-command.js';
import type { WebServer } from '../support/web-server.js';
import { repository, serveFiles } from '../support/web-server.js';
import { context } from '../support/wiac.js';

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
