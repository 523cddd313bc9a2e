/** --open: shows a URL in the user's browser. */
import { spawn } from 'node:child_process';
import { outsideIds } from '../util/user-namespace.js';

/**
 * The browser is started by xdg-open and goes on when wiac ends.
 * @param failed told when there is no such program, or when it could not do it
 */
export function openUrl(url: string, failed: (why: string) => void): void {
  const ids = outsideIds();
  // Browsers refuse to run as root, which the user of a user namespace looks like.
  const asUser = ids && ['--user', `--map-user=${ids.uid}`, `--map-group=${ids.gid}`, '--'];
  const [program = '', ...args] = [...(asUser ? ['unshare', ...asUser] : []), 'xdg-open', url];
  const child = spawn(program, args, { detached: true, stdio: 'ignore' });
  child.once('error', ({ message }) => failed(message));
  child.once('exit', (code) => {
    if (code !== 0) failed('xdg-open found no browser');
  });
  child.unref();
}
