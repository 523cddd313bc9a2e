/** Access control lists, as the kernel has them in extended attributes. */

const VERSION = 2;

/** One entry: whom it is for (linux/posix_acl.h), what they may do, and their number. */
export type AccessEntry = readonly [tag: number, permissions: number, id: number];

export function accessList(...entries: readonly AccessEntry[]): Buffer {
  const list = Buffer.alloc(4 + 8 * entries.length);
  list.writeUInt32LE(VERSION);
  entries.forEach(([tag, permissions, id], index) => {
    const at = 4 + 8 * index;
    list.writeUInt16LE(tag, at);
    list.writeUInt16LE(permissions, at + 2);
    list.writeUInt32LE(id, at + 4);
  });
  return list;
}
