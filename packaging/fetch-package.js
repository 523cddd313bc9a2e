// Packages of npm that are parts of what is packaged, for processors that may be others than this machine's.
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';

/** `npm ci` removes it, and nothing else does. */
export const CACHE = 'node_modules/.cache/wiac-packaging';

async function fetchArchive({ name, version, integrity }, directory) {
  mkdirSync(CACHE, { recursive: true });
  const work = mkdtempSync(join(CACHE, 'fetch-'));
  try {
    const flags = ['--silent', '--prefer-offline', '--pack-destination', work];
    await execa('npm', ['pack', ...flags, `${name}@${version}`]);
    const [archive = ''] = readdirSync(work);
    const digest = createHash('sha512')
      .update(readFileSync(join(work, archive)))
      .digest('base64');
    if (integrity !== `sha512-${digest}`)
      throw new Error(`${name}@${version} has the digest sha512-${digest}, not ${integrity}`);
    await execa('tar', ['-xzf', join(work, archive), '-C', work]);
    renameSync(join(work, 'package'), directory);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** By directory: two executables may need one package at once. */
const fetches = new Map();

/**
 * One file of a package, from npm or from the cache.
 * @param wanted its name and version, and as integrity `sha512-` and the digest in Base64, of the archive
 * @param file its path in the package
 * @returns the file's path
 * @throws when the archive is not the one that is named
 */
export async function fetchFile(wanted, file) {
  const directory = join(CACHE, `${wanted.name.replace('/', '-')}-${wanted.version}`);
  // It is there only when its archive was right.
  if (!existsSync(directory) && !fetches.has(directory))
    fetches.set(directory, fetchArchive(wanted, directory));
  await fetches.get(directory);
  return join(directory, file);
}
