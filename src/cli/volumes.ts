import { posix, resolve } from 'node:path';
import type { Volume } from '../plan/step.js';
import { UsageError } from '../util/errors.js';
import { statNamed } from '../util/stat-named.js';

/** Labels of SELinux and how mounts spread mean nothing where every step has mounts of its own. */
const WITHOUT_EFFECT = /^(?:rw|z|Z|r?private|r?shared|r?slave|r?bind|nodev|dev)$/;

/**
 * `SOURCE:PATH[:OPTIONS]`
 * @throws UsageError
 */
export function parseVolume(text: string): Volume {
  const refuse = (problem: string, hint = 'write it like /srv/cache:/cache:ro'): never => {
    throw new UsageError(`--volume ${text}: ${problem}`, { hint });
  };
  const [written = '', target = '', words = '', ...rest] = text.split(':');
  if (rest.length > 0 || !posix.isAbsolute(target)) refuse('not understood');
  if (posix.resolve(target) === '/') refuse('it would hide the whole image');
  if (!/^\.{0,2}\//.test(written) && !/^\.{1,2}$/.test(written))
    refuse(`${written || 'nothing'} is no path`, 'begin the path with / or ./');
  const source = resolve(written);
  const stats = statNamed(source);
  if (!stats) refuse(`there is no ${source}`);
  const options = words.split(',').filter(Boolean);
  const unknown = options.find((word) => !/^(?:ro|O)$/.test(word) && !WITHOUT_EFFECT.test(word));
  if (unknown !== undefined)
    refuse(`there is no option ${unknown}`, 'ro, rw, O, z, Z and private are there');
  if (options.includes('O') && !stats?.isDirectory()) refuse('O is for directories');
  return {
    source,
    target: posix.resolve(target),
    readOnly: options.includes('ro'),
    discard: options.includes('O'),
  };
}
