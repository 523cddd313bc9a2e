/** The files of a layer for people: what `ls -l` would show of each, whiteouts by their name. */
import { lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { isWhiteout } from './stack.js';

/** One entry of a layer. */
export interface LayerFile {
  /** Relative to the layer, with ` -> target` behind symbolic links. */
  readonly path: string;
  /** Type letter and permissions in octal: `f0644`, `d0755`, `w` for a whiteout. */
  readonly mode: string;
  readonly uid: number;
  readonly gid: number;
  /** Bytes; 0 for anything but a file. */
  readonly size: number;
}

function describe(root: string, path: string): LayerFile {
  const hostPath = `${root}/${path}`;
  const stats = lstatSync(hostPath);
  const { uid, gid } = stats;
  const permissions = (stats.mode & 0o7777).toString(8).padStart(4, '0');
  if (isWhiteout(stats)) return { path, mode: 'w', uid, gid, size: 0 };
  if (stats.isSymbolicLink()) {
    return {
      path: `${path} -> ${readlinkSync(hostPath)}`,
      mode: `l${permissions}`,
      uid,
      gid,
      size: 0,
    };
  }
  const letter = stats.isDirectory() ? 'd' : stats.isFile() ? 'f' : stats.isFIFO() ? 'p' : 's';
  return { path, mode: letter + permissions, uid, gid, size: stats.isFile() ? stats.size : 0 };
}

/** Every entry of a layer directory, sorted by path. */
export function listLayerFiles(root: string, directory = ''): LayerFile[] {
  const files: LayerFile[] = [];
  for (const dirent of readdirSync(`${root}/${directory}`, { withFileTypes: true })) {
    const path = directory === '' ? dirent.name : `${directory}/${dirent.name}`;
    files.push(describe(root, path));
    if (dirent.isDirectory()) files.push(...listLayerFiles(root, path));
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}
