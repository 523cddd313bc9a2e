/** Access control lists: acl(5), as the kernel has them in extended attributes (linux/posix_acl_xattr.h). */

const NAMES = ['system.posix_acl_access', 'system.posix_acl_default'];

const HEADER_BYTES = 4;
const ENTRY_BYTES = 8;
/** Where an entry has its number. */
const ID = 4;
/** Tags of entries for a certain user, and for a certain group. */
const NAMED = [0x02, 0x08];
/** What the kernel says in a user namespace of somebody who is not in there. */
const NOBODY = 0xff_ff_ff_ff;

/**
 * Without entries for those who are not in the user namespace: the kernel takes none of them for a copy. The mask stays, so
 * everybody else may do what they could before.
 */
export function withoutStrangers(name: string, value: Buffer): Buffer {
  if (!NAMES.includes(name) || value.length % ENTRY_BYTES !== HEADER_BYTES) return value;
  const parts = [value.subarray(0, HEADER_BYTES)];
  for (let at = HEADER_BYTES; at < value.length; at += ENTRY_BYTES) {
    const isStranger =
      NAMED.includes(value.readUInt16LE(at)) && value.readUInt32LE(at + ID) === NOBODY;
    if (!isStranger) parts.push(value.subarray(at, at + ENTRY_BYTES));
  }
  return Buffer.concat(parts);
}
