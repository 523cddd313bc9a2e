/** ADD: archives, URLs, git repositories; named build contexts. */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import type { OutgoingHttpHeaders, Server } from 'node:http';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { describeLayers } from '../support/tree.js';
import { warmMachines } from '../support/warm-command.js';
import { context, ranSteps, tempDir, writeTree } from '../support/wiac.js';

const machine = warmMachines();

async function paths(lowerdirs: string): Promise<string[]> {
  const tree = await describeLayers(lowerdirs);
  return tree.map((line) => line.split(' ')[0] ?? '').filter((path) => !path.startsWith('bin'));
}

describe('archives', () => {
  test.each([
    ['plain', 'cf', 'a.tar'],
    ['gzip', 'czf', 'a.tar.gz'],
    ['bzip2', 'cjf', 'a.tbz'],
    ['xz', 'cJf', 'a.txz'],
    ['zstd', '--zstd -cf', 'a.tar.zst'],
  ])('%s is unpacked', async (_, flags, name) => {
    const root = context({ Dockerfile: `FROM scratch\nADD ${name} /x\n`, 't/file': 'text' });
    await execa('sh', ['-c', `tar ${flags.startsWith('-') ? flags : `-${flags}`} ${name} t`], {
      cwd: root,
    });
    expect(await paths((await machine().build(root)).lowerdirs)).toEqual(['x', 'x/t', 'x/t/file']);
  });

  test('a compressed file of something else, --unpack=false and COPY leave it as it is', async () => {
    const root = context({
      Dockerfile:
        'FROM scratch\nADD text.gz /x/\nADD --unpack=true text.gz Dockerfile a.tar /z/\nADD --unpack=false a.tar /x/\nCOPY a.tar /y/\n',
      text: 'text',
    });
    await execa('sh', ['-c', 'gzip text && tar -cf a.tar text.gz'], { cwd: root });
    expect(await paths((await machine().build(root)).lowerdirs)).toEqual([
      'x',
      'x/a.tar',
      'x/text.gz',
      'y',
      'y/a.tar',
      'z',
      'z/Dockerfile',
      'z/text.gz',
    ]);
  });

  test('--chown changes what was unpacked', async () => {
    const root = context({ Dockerfile: 'FROM scratch\nADD --chown=3:4 a.tar /x/\n', file: 'text' });
    await execa('tar', ['-cf', 'a.tar', 'file'], { cwd: root });
    expect(await describeLayers((await machine().build(root)).lowerdirs)).toContainEqual(
      expect.stringMatching(/^x\/file 644 3:4 /),
    );
  });
});

describe('URLs', () => {
  let server: Server | undefined;
  afterEach(() => {
    server?.close();
  });

  /** Serves one file with an ETag; counts how often its content was sent. */
  async function serve(): Promise<{ url: string; content: { text: string }; sent: () => number }> {
    const content = { text: 'first' };
    let sent = 0;
    const made = createServer((request, response) => {
      const etag = `"${content.text}"`;
      if (request.url === '/missing') response.writeHead(404).end();
      else if (request.url === '/proxy') response.writeHead(407).end();
      else if (request.url === '/part') response.writeHead(206).end(content.text);
      else if (request.url === '/cut')
        response.writeHead(200, { 'content-length': 1 << 20 }).write('x', () => request.destroy());
      else if (request.url === '/slow') {
        response.write('first half,');
        setTimeout(() => response.end(' second half'), 400);
      } else if (request.headers['if-none-match'] === etag) response.writeHead(304).end();
      else {
        sent += 1;
        response
          .writeHead(200, { etag, 'last-modified': 'Sat, 01 Jan 2000 00:00:00 GMT' })
          .end(content.text);
      }
    });
    await new Promise<void>((resume) => made.listen(0, '127.0.0.1', resume));
    server = made;
    const address = made.address();
    return {
      url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`,
      content,
      sent: () => sent,
    };
  }

  test('--unpack leaves what is no archive as it is', async () => {
    const { url } = await serve();
    const root = context({ Dockerfile: `FROM scratch\nADD --unpack ${url}/page /x/\n` });
    expect(await paths((await machine().build(root)).lowerdirs)).toEqual(['x', 'x/page']);
  });

  test('together with files and archives of the context, in their order', async () => {
    const { url } = await serve();
    const root = context({
      Dockerfile: `FROM scratch\nADD a.tar ${url}/file one <<two /x/\nsecond\ntwo\n`,
      one: 'of the context',
      file: 'from the archive',
    });
    await execa('tar', ['-cf', 'a.tar', 'file', 'one'], { cwd: root });
    const { lowerdirs, events } = await machine().build(root, '-t', 'mixed');
    const tree = await describeLayers(lowerdirs);
    const content = (path: string) =>
      Buffer.from(tree.find((line) => line.startsWith(`${path} `))?.split(' ')[3] ?? '', 'base64');
    expect(['x/file', 'x/one', 'x/two'].map((path) => content(path).toString())).toEqual([
      'first',
      'of the context',
      'second\n',
    ]);
    expect(ranSteps(events)).toContain(`fetch ${url}/file`);
  });

  test('what comes slowly is told of', async () => {
    const { url } = await serve();
    const root = context({ Dockerfile: `FROM scratch\nADD ${url}/slow /x\n` });
    const { events } = await machine().build(root);
    const told = events.filter(({ type }) => type === 'transfer');
    const common = { what: 'add', name: `${url}/slow`, done: 23 };
    expect(told).toMatchObject([
      { ...common, state: 'running' },
      { ...common, state: 'done' },
    ]);
  });

  test('of a file that ends before its length nothing is kept', async () => {
    const { url } = await serve();
    const root = context({ Dockerfile: `FROM scratch\nADD ${url}/cut /x\n` });
    const { wiac } = machine();
    const failed = await wiac(['build', root]);
    expect(failed.exitCode).toBe(4);
    expect(failed.stderr).toContain('Dockerfile:2:1');
    expect(failed.stderr).toContain("can't be fetched: the connection failed");
    expect(await wiac(['cache', 'ls', '-q'])).toEqual({ exitCode: 0, stdout: '', stderr: '' });
  });

  test('name, mode and time; sent again and run again only when it changed', async () => {
    const { url, content, sent } = await serve();
    const { build } = machine();
    const root = context({ Dockerfile: `FROM scratch\nADD ${url}/dir/name.txt?x=y /d/\n` });
    const { lowerdirs } = await build(root);
    const { stdout } = await execa('stat', ['-c', '%a %u:%g %Y', join(lowerdirs, 'd/name.txt')]);
    expect(stdout).toBe('600 0:0 946684800');
    const before = sent();
    expect(ranSteps((await build(root)).events)).toEqual([]);
    expect(sent()).toBe(before);
    content.text = 'second';
    const changed = await build(root);
    expect(ranSteps(changed.events)).toHaveLength(2);
    expect(readFileSync(join(changed.lowerdirs, 'd/name.txt'), 'utf8')).toBe('second');
  });

  test('--checksum: the right one needs no request the second time, a wrong one is an error', async () => {
    const { url } = await serve();
    const digest = createHash('sha256').update('first').digest('hex');
    const { build, wiac } = machine();
    const root = context({
      Dockerfile: `FROM scratch\nADD --checksum=sha256:${digest} ${url}/f /f\n`,
    });
    await build(root);
    server?.close();
    server?.closeAllConnections();
    expect(ranSteps((await build(root)).events)).toEqual([]);
    const other = await serve();
    writeFileSync(
      join(root, 'Dockerfile'),
      `FROM scratch\nADD --checksum=sha256:${'0'.repeat(64)} ${other.url}/f /f\n`,
    );
    const { exitCode, stderr } = await wiac(['build', root]);
    expect(exitCode).toBe(4);
    expect(stderr).toContain(`has the digest sha256:${digest}`);
  });

  /** Two files, one after the other, and what a server says of both. @returns what a build got of each */
  async function serveInTurn(before: OutgoingHttpHeaders, after: OutgoingHttpHeaders) {
    let [text, headers] = ['first', before];
    server = createServer((request, response) => {
      const since = Date.parse(request.headers['if-modified-since'] ?? '');
      const isSame =
        request.headers['if-none-match'] === (headers.etag ?? '') ||
        Date.parse(String(headers['last-modified'])) <= since;
      if (isSame) response.writeHead(304).end();
      else response.writeHead(200, headers).end(text);
    });
    await new Promise<void>((resume) => server?.listen(0, '127.0.0.1', resume));
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : '';
    const { build } = machine();
    const root = context({ Dockerfile: `FROM scratch\nADD http://127.0.0.1:${port}/f /f\n` });
    const got = async () => readFileSync(join((await build(root)).lowerdirs, 'f'), 'utf8');
    const first = await got();
    [text, headers] = ['other', after];
    return [first, await got()];
  }

  const LONG_AGO = 'Sat, 01 Jan 2000 00:00:00 GMT';
  const NOW = 'Sat, 01 Jan 2000 00:00:01 GMT';
  test.each<[string, OutgoingHttpHeaders, OutgoingHttpHeaders]>([
    ['that an older one has replaced', { 'last-modified': NOW }, { 'last-modified': LONG_AGO }],
    [
      'that is changed within one second, of which its tag is made',
      { date: NOW, 'last-modified': NOW, etag: '"5-1"' },
      { date: NOW, 'last-modified': NOW, etag: '"5-1"' },
    ],
  ])('a file %s is sent again', async (_, before, after) => {
    expect(await serveInTurn(before, after)).toEqual(['first', 'other']);
  });

  /** Says another text to each request, and that nothing changed to who asks for that. */
  async function serveOthers(): Promise<{ url: string; sent: () => number }> {
    let sent = 0;
    const made = createServer((request, response) => {
      if (request.headers['if-none-match']) return response.writeHead(304).end();
      sent += 1;
      return response.writeHead(200, { etag: '"always"' }).end(`text ${sent}`);
    });
    await new Promise<void>((resume) => made.listen(0, '127.0.0.1', resume));
    server = made;
    const address = made.address();
    const port = typeof address === 'object' ? address?.port : '';
    return { url: `http://127.0.0.1:${port}`, sent: () => sent };
  }

  test('the layer holds what its key was made from, whatever the server says the next time', async () => {
    const { url, sent } = await serveOthers();
    const { build, wiac } = machine();
    const root = context({ Dockerfile: `FROM scratch\nADD ${url}/f /f\n` });
    const { lowerdirs } = await build(root);
    expect(readFileSync(join(lowerdirs, 'f'), 'utf8')).toBe('text 1');
    expect(sent()).toBe(1);
    await wiac(['cache', 'prune', '--all']);
    // The look-up hears that it is still `text 1`; what is sent then is another.
    const again = await wiac(['build', root]);
    expect({ exitCode: again.exitCode, stderr: again.stderr }).toMatchObject({
      exitCode: 4,
      stderr: expect.stringContaining('changed while the build ran'),
    });
  });

  test.each([
    ['a file that is not there', 'missing', 'the server answered 404'],
    ['a part of a file that nobody asked for a part of', 'part', 'the server answered 206'],
    ['a proxy without a login', 'proxy', 'a proxy wants a user and password (407)'],
  ])('%s', async (_, name, said) => {
    const { url } = await serve();
    const { exitCode, stderr } = await machine().wiac([
      'build',
      context({ Dockerfile: `FROM scratch\nADD ${url}/${name} /f\n` }),
    ]);
    expect(exitCode).toBe(4);
    expect(stderr).toContain('Dockerfile:2:1: ');
    expect(stderr).toContain(`can't be fetched: ${said}`);
  });
});

describe('git repositories', () => {
  async function repository(): Promise<{
    url: string;
    git: (...args: string[]) => Promise<string>;
  }> {
    const root = join(tempDir(), 'repo.git');
    writeTree(root, { top: 'top', 'sub/one': 'one' });
    const git = async (...args: string[]) =>
      (
        await execa('git', ['-c', 'user.name=t', '-c', 'user.email=t@t.invalid', ...args], {
          cwd: root,
        })
      ).stdout;
    await git('init', '-q', '-b', 'main');
    await git('add', '.');
    await git('commit', '-q', '-m', 'one');
    await git('tag', '-a', '-m', 'tag', 'v1');
    return { url: `file://${root}`, git };
  }

  test('default branch, tag and directory, --keep-git-dir, --checksum', async () => {
    const { url, git } = await repository();
    const commit = await git('rev-parse', 'HEAD');
    const root = context({
      Dockerfile: `FROM scratch\nADD ${url} /all\nADD ${url}#v1:sub /sub\nADD --keep-git-dir=true --checksum=${commit} ${url}#main /git\n`,
    });
    const found = await paths((await machine().build(root)).lowerdirs);
    expect(found.filter((path) => !path.startsWith('git/.git/'))).toEqual([
      'all',
      'all/sub',
      'all/sub/one',
      'all/top',
      'git',
      'git/.git',
      'git/sub',
      'git/sub/one',
      'git/top',
      'sub',
      'sub/one',
    ]);
  });

  test('a new commit is noticed, one that does not change the directory stops there', async () => {
    const { url, git } = await repository();
    const { build } = machine();
    const root = context({ Dockerfile: `FROM scratch\nADD ${url}#main:sub /sub\n` });
    await build(root);
    expect(ranSteps((await build(root)).events)).toEqual([]);
    await git('commit', '-q', '--allow-empty', '-m', 'nothing');
    expect(ranSteps((await build(root)).events)).toEqual([`fetch ${url}`]);
  });

  test('a branch that is not there', async () => {
    const { url } = await repository();
    const { exitCode, stderr } = await machine().wiac([
      'build',
      context({ Dockerfile: `FROM scratch\nADD ${url}#nope /x\n` }),
    ]);
    expect(exitCode).toBe(4);
    expect(stderr).toContain('has no branch or tag nope');
  });
});

describe('--build-context', () => {
  test('a directory for COPY --from, RUN --mount and FROM, with its own .dockerignore; a stage by another name', async () => {
    const other = tempDir();
    writeTree(other, { file: 'from other', hidden: 'x', '.dockerignore': 'hidden\n' });
    const root = context({
      Dockerfile: `FROM other AS base
FROM scratch AS shell
COPY bin /bin
RUN --mount=type=bind,from=other,target=/m ls -A /m > /seen
FROM scratch
COPY --from=other file /copied
COPY --from=base /file /based
COPY --from=alias /seen /seen
`,
    });
    const { build } = machine();
    const flags = [`--build-context=other=${other}`, '--build-context=alias=target:shell'];
    const { lowerdirs } = await build(root, ...flags);
    expect(await paths(lowerdirs)).toEqual(['based', 'copied', 'seen']);
    expect(readFileSync(join(lowerdirs.split(':')[0] ?? '', 'seen'), 'utf8')).toBe(
      '.dockerignore\nfile\n',
    );
    expect(ranSteps((await build(root, ...flags)).events)).toEqual([]);
  });
});
