/** --open: shows a URL in the user's browser. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { temporaryDirectory } from '../store/paths.js';
import { outsideIds } from '../util/user-namespace.js';

/** A page that leads to the URL, in a directory that nobody else may look into. */
function writePage(directory: string, url: string): string {
  const path = join(directory, 'open.html');
  const page = `<!doctype html><meta http-equiv="refresh" content="0; url=${url}"><title>wiac ui</title>\n`;
  writeFileSync(path, page, { mode: 0o600, flag: 'wx' });
  return path;
}

/**
 * The browser is started by xdg-open and goes on when wiac ends. It is given a page that leads to the URL, which is a
 * secret: ps(1) shows everybody on the machine how programs were started.
 * @param url without characters that mean something in HTML
 * @param failed told when there is no such program, or when it could not do it
 * @returns removes the page
 */
export function openUrl(url: string, failed: (why: string) => void): () => void {
  const directory = mkdtempSync(join(temporaryDirectory(), 'wiac-open-'));
  const page = pathToFileURL(writePage(directory, url)).href;
  const ids = outsideIds();
  // Browsers refuse to run as root, which the user of a user namespace looks like.
  const asUser = ids && ['--user', `--map-user=${ids.uid}`, `--map-group=${ids.gid}`, '--'];
  const [program = '', ...args] = [...(asUser ? ['unshare', ...asUser] : []), 'xdg-open', page];
  const child = spawn(program, args, { detached: true, stdio: 'ignore' });
  child.once('error', ({ message }) => failed(message));
  child.once('exit', (code) => {
    if (code !== 0) failed('xdg-open found no browser');
  });
  child.unref();
  return () => rmSync(directory, { recursive: true, force: true });
}
