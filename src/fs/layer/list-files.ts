/** The files of a layer for people: what `ls -l` would show of each, whiteouts by their name. */
import type { Stats } from 'node:fs';
import { toByteString } from '../../util/byte-string.js';
import { inUserNamespace } from '../../util/user-namespace.js';
import { takeDeviceMark } from '../device-marks.js';
import type { Directory } from '../directory.js';
import { listNames, lstatEntry } from '../directory.js';
import { readLink } from '../read.js';
import { readTreeXattrs } from '../scan/tree-xattrs.js';
import { xattrText } from '../scan/xattrs.js';
import { pathBelow } from '../tree-path.js';
import { openWalker } from '../walker.js';
import { isWhiteout } from './stack.js';

/** One entry of a layer. */
export interface LayerFile {
  /** Relative to the layer. */
  readonly path: string;
  /** Of a symbolic link. */
  readonly target?: string;
  /** Type letter and permissions in octal: `f0644`, `d0755`, `w` for a whiteout. */
  readonly mode: string;
  readonly uid: number;
  readonly gid: number;
  /** Bytes; 0 for anything but a file. */
  readonly size: number;
  /** Of a file with several names: its inode. */
  readonly inode?: number;
}

function letterOf(stats: Stats): string {
  if (stats.isDirectory()) return 'd';
  if (stats.isFile()) return 'f';
  if (stats.isFIFO()) return 'p';
  if (stats.isSocket()) return 's';
  return stats.isBlockDevice() ? 'b' : 'c';
}

function describe(directory: Directory, path: string, name: string): LayerFile | undefined {
  const stats = lstatEntry(directory, name);
  if (!stats) return undefined;
  const { uid, gid } = stats;
  const permissions = (stats.mode & 0o7777).toString(8).padStart(4, '0');
  if (isWhiteout(stats)) return { path, mode: 'w', uid, gid, size: 0 };
  if (stats.isSymbolicLink()) {
    const target = readLink(directory, name) ?? '';
    return { path, target, mode: `l${permissions}`, uid, gid, size: 0 };
  }
  const letter = letterOf(stats);
  const file = {
    path,
    mode: letter + permissions,
    uid,
    gid,
    size: stats.isFile() ? stats.size : 0,
  };
  return stats.isFile() && stats.nlink > 1 ? { ...file, inode: stats.ino } : file;
}

/** Every entry of a layer directory, sorted by path. */
export function listLayerFiles(root: string): LayerFile[] {
  const walker = openWalker(root);
  const files: LayerFile[] = [];
  try {
    // The list of directories grows while it is gone through.
    const directories = [''];
    for (const at of directories) {
      const directory = walker.at(at);
      for (const name of listNames(directory)) {
        const path = pathBelow(at, name);
        const file = describe(directory, path, name);
        if (file) files.push(file);
        if (file?.mode.startsWith('d')) directories.push(path);
      }
    }
  } finally {
    walker.close();
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** The same, with a file that stands for a device as that device. @throws IsolationError */
export async function listLayerWithDevices(root: string): Promise<LayerFile[]> {
  const files = listLayerFiles(root);
  if (!inUserNamespace()) return files;
  const xattrs = await readTreeXattrs(root);
  return files.map((file) => {
    const found = xattrs.get(toByteString(`${root}/${file.path}`)) ?? [];
    const isEmpty = file.mode.startsWith('f') && file.size === 0;
    const { device } = takeDeviceMark(found, isEmpty, xattrText);
    if (!device) return file;
    const letter = device.type === 'char' ? 'c' : 'b';
    return { ...file, mode: letter + file.mode.slice(1) };
  });
}
