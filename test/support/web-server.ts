/** A web server for the files of a directory, with or without a password; repositories as well. */
import { readFileSync, statSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { execa } from 'execa';
import { tempDir, writeTree } from './wiac.js';

export interface WebServer {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** Values of the Authorization header that came, undefined where there was none. */
  readonly seen: (string | undefined)[];
  readonly stop: () => void;
}

/**
 * Serves the files of a directory as they are, which is git's "dumb" protocol for a repository that
 * `git update-server-info` has prepared.
 * @param passwords accepted for the user `user`; undefined: everybody is let in
 */
export async function serveFiles(root: string, passwords?: readonly string[]): Promise<WebServer> {
  const seen: (string | undefined)[] = [];
  const accepted = passwords?.map(
    (password) => `Basic ${Buffer.from(`user:${password}`).toString('base64')}`,
  );
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const { authorization } = request.headers;
    seen.push(authorization);
    if (accepted && !accepted.includes(authorization ?? '')) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="test"' }).end();
      return;
    }
    // Whoever takes it for a proxy sends the whole URL.
    const path = decodeURIComponent(new URL(request.url ?? '', 'http://server').pathname);
    const file = join(root, path === '/' ? '/index' : path);
    if (statSync(file, { throwIfNoEntry: false })?.isFile())
      response.writeHead(200).end(readFileSync(file));
    else response.writeHead(404).end();
  });
  await new Promise<void>((resume) => server.listen(0, '127.0.0.1', resume));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return {
    host: `127.0.0.1:${port}`,
    seen,
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

export interface Repository {
  /** A directory that holds `r.git`. */
  readonly root: string;
  readonly git: (...args: string[]) => Promise<string>;
}

/** A repository `r.git` with one commit on `main`, which can be read as files too. */
export async function repository(
  files: Readonly<Record<string, string>>,
  ...init: string[]
): Promise<Repository> {
  const root = tempDir();
  const [work, bare] = [join(root, 'work'), join(root, 'r.git')];
  const identity = ['-c', 'user.name=t', '-c', 'user.email=t@t.invalid'];
  const git = async (...args: string[]) =>
    (await execa('git', [...identity, ...args], { cwd: work })).stdout;
  writeTree(work, files);
  await git('init', '-q', '-b', 'main', ...init);
  await git('add', '.');
  await git('commit', '-q', '-m', 'one');
  await git('clone', '-q', '--bare', work, bare);
  await git('-C', bare, 'update-server-info');
  return { root, git };
}
