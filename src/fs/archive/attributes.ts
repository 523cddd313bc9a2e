/** Owner, permissions, xattrs and times of unpacked files. */
import { fchmodSync, fchownSync, futimesSync, lchownSync, lutimesSync, utimesSync } from 'node:fs';
import type { ByteString, TarEntry, TarTime } from '../../oci/tar/entry.js';
import { fileTime } from '../../util/file-time.js';
import { DEVICE_MARK } from '../device-marks.js';
import type { Directory } from '../directory.js';
import type { Pending } from './pending.js';

export type Attributes = Pick<TarEntry, 'mode' | 'uid' | 'gid' | 'mtime' | 'xattrs'>;

/** Owner of a new file, unless the caller sets another one. */
export interface NewFileOwner {
  readonly uid: number;
  readonly gid: number;
}

const asTime = ({ seconds, nanoseconds }: TarTime) => fileTime(seconds + nanoseconds / 1e9);

/** overlayfs's marks in an archive would let it reach into other layers (redirect, metacopy). */
const OVERLAY = /^(trusted|user)\.overlay\./;
/** Labels of another machine's policy mean nothing here. */
const HOST_ONLY = /^security\.selinux$/;
/** What a user namespace may not set; capabilities it may. */
const PRIVILEGED = /^(trusted|security)\.(?!capability$)/;

/** The xattrs of an entry that a layer keeps. */
export function keptXattrs(xattrs: TarEntry['xattrs'], rootless: boolean): TarEntry['xattrs'] {
  return xattrs.filter(
    ([name]) =>
      !OVERLAY.test(name) &&
      !HOST_ONLY.test(name) &&
      // An archive says what is a device without it.
      !(rootless && (PRIVILEGED.test(name) || name === DEVICE_MARK)),
  );
}

/**
 * Queues what Node can't set. chown(2) removes security.capability, so that xattrs come after it.
 * @param path relative to the layer
 */
export function queueAttributes(
  pending: Pending,
  path: ByteString,
  { xattrs, mtime }: Pick<Attributes, 'xattrs' | 'mtime'>,
): void {
  for (const [name, value] of xattrs) pending.add({ call: 'setxattr', path, name, value });
  if (mtime.nanoseconds !== 0) pending.add({ call: 'utime', path, time: mtime });
}

/**
 * Sets what Node can on an open, new file; chown(2) clears setuid, so that chmod comes after it.
 * @param hasMode the file has its permissions already
 */
export function setOpenFile(
  fd: number,
  wanted: Attributes,
  owner: NewFileOwner,
  hasMode: boolean,
): void {
  if (wanted.uid !== owner.uid || wanted.gid !== owner.gid) fchownSync(fd, wanted.uid, wanted.gid);
  if (!hasMode) fchmodSync(fd, wanted.mode);
  const time = asTime(wanted.mtime);
  futimesSync(fd, time, time);
}

/** The same for a symlink, which has no permissions. */
export function setSymlink(path: string | Buffer, wanted: Attributes, owner: NewFileOwner): void {
  if (wanted.uid !== owner.uid || wanted.gid !== owner.gid) {
    lchownSync(path, wanted.uid, wanted.gid);
  }
  const time = asTime(wanted.mtime);
  lutimesSync(path, time, time);
}

/** A directory's time, once nothing in it changes any more. */
export function setDirectoryTime({ path }: Directory, mtime: TarTime): void {
  const time = asTime(mtime);
  utimesSync(path, time, time);
}
