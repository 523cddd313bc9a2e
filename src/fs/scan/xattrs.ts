/** Extended attributes that belong to files themselves. */
import type { RawXattrs } from '../../native/read-xattrs.js';
import { readListedXattrs } from '../../native/read-xattrs.js';
import type { ByteString } from '../../util/byte-string.js';
import { fromBytes, toByteString } from '../../util/byte-string.js';
import type { NameForm } from '../directory.js';
import { withoutStrangers } from './access-list.js';
import { byRoot } from './by-root.js';
import type { Place } from './file-source.js';
import type { Xattrs } from './tree.js';

/** overlayfs's own marks are part of the layer format, not of the files. */
const OVERLAY = /^(trusted|user)\.overlay\./;
/** SELinux labels belong to this machine's policy, as BuildKit and tar leave them out. */
const HOST_ONLY = /^security\.selinux$/;

/** What belongs to the file itself. @param names how names are read: as text (fromBytes), or each byte as a character */
export function keptXattrs(xattrs: RawXattrs, names: NameForm): Xattrs {
  const read = names === 'text' ? fromBytes : (name: Buffer) => name.toString('latin1');
  return xattrs
    .map(([name, value]) => {
      const text = read(name);
      return [text, withoutStrangers(text, value).toString('hex')] as const;
    })
    .filter(([name]) => !OVERLAY.test(name) && !HOST_ONLY.test(name))
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

/** A value, each byte as a character. */
export const xattrText = (hex: string): ByteString => Buffer.from(hex, 'hex').toString('latin1');

/** Names and values as system calls take them, each byte as a character. */
export function xattrBytes(xattrs: Xattrs): (readonly [name: ByteString, value: ByteString])[] {
  return xattrs.map(([name, value]) => [toByteString(name), xattrText(value)]);
}

/**
 * Reads the extended attributes of files (not of what symlinks point to).
 * @returns only the files that have any; overlayfs's marks and SELinux labels are left out
 * @throws the file system's errors, IsolationError
 */
export async function readXattrs(
  files: readonly { readonly place: Place }[],
): Promise<Map<Place, Xattrs>> {
  const found = new Map<Place, Xattrs>();
  const reading = [...byRoot(files)].map(([root, directories]) => {
    const inOrder = directories.flatMap((directory) => directory.files);
    return readListedXattrs(root, directories, (index, xattrs) => {
      const file = inOrder[index];
      const kept = keptXattrs(xattrs, 'text');
      if (file && kept.length > 0) found.set(file.place, kept);
    });
  });
  await Promise.all(reading);
  return found;
}
