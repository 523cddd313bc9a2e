/** Archives that ADD unpacks: tar, plain or compressed with gzip, bzip2, xz or zstd. */
import { closeSync, openSync, readSync } from 'node:fs';
import type { SourceLocation } from '../errors.js';
import { ContextError, NoSpaceError } from '../errors.js';

const MAGIC: readonly (readonly [offset: number, bytes: string])[] = [
  [0, '\x1f\x8b'],
  [0, 'BZh'],
  [0, '\xfd7zXZ\0'],
  [0, '\x28\xb5\x2f\xfd'],
  [257, 'ustar'],
];

function looksLikeArchive(path: string): boolean {
  const start = Buffer.alloc(512);
  const descriptor = openSync(path, 'r');
  try {
    readSync(descriptor, start, 0, start.length, 0);
  } finally {
    closeSync(descriptor);
  }
  const text = start.toString('latin1');
  return MAGIC.some(([offset, bytes]) => text.startsWith(bytes, offset));
}

/** Is it a tar archive? A compressed file of something else is none: its first member is read. */
export async function isArchive(path: string): Promise<boolean> {
  if (!looksLikeArchive(path)) return false;
  const { execa } = await import('execa');
  const listing = execa('tar', ['--list', '--file', path], { reject: false, buffer: false });
  for await (const _line of listing) {
    listing.kill();
    await listing;
    return true;
  }
  return false;
}

/**
 * Unpacks an archive. GNU tar takes leading slashes off and refuses members that lead out with
 * `..`; it makes symbolic links last, so that none can lead a later member out.
 * @param location of the ADD, for the error
 * @throws ContextError when it is damaged, NoSpaceError
 */
export async function unpackArchive(
  path: string,
  directory: string,
  location: SourceLocation,
): Promise<void> {
  const { execa } = await import('execa');
  const flags = [
    '--extract',
    '--preserve-permissions',
    '--numeric-owner',
    '--xattrs',
    '--xattrs-include=*',
  ];
  const result = await execa('tar', [...flags, '--file', path, '--directory', directory], {
    reject: false,
    env: { LC_ALL: 'C' },
  });
  if (result.exitCode === 0) return;
  // gzip begins with an empty line.
  const reason = result.stderr.split('\n').find((line) => line !== '') ?? 'tar gave no reason';
  if (/No space left|quota exceeded/i.test(result.stderr)) {
    throw new NoSpaceError(`no space left while ${path} was unpacked`, {
      hint: 'free some space (wiac cache du shows what the cache holds), or set WIAC_ROOT',
    });
  }
  throw new ContextError(`${path} can't be unpacked: ${reason}`, location, {
    hint: 'is the archive damaged? ADD --unpack=false copies it as it is',
  });
}
