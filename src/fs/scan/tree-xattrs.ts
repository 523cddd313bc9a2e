/** Extended attributes of whole trees, as layers are. */
import { readdirSync } from 'node:fs';
import type { Directory } from '../directory.js';
import { closeDirectory, openRoot } from '../directory.js';
import type { Walker } from '../walker.js';
import { openWalker } from '../walker.js';
import type { Xattrs } from './tree.js';
import type { NameEncoding } from './xattrs.js';
import { ASKED, FIRST_DESCRIPTOR, getfattr, keptXattrs, parseDump } from './xattrs.js';

/** Attributes by path. */
type Dump = Map<string, Xattrs>;

const RECURSIVE = ['-R', '-P', '-m', ASKED];

/** getfattr walks by path, which the kernel takes up to 4096 bytes of. */
const TOO_LONG = 'File name too long';

/** Bytes between two directories that getfattr starts at. */
const STRIDE = 2000;

/** Directories so deep that getfattr has to start anew there; paths as bytes, relative to the root. */
function* startsBelow(walker: Walker): Generator<string> {
  const waiting = [{ path: '', start: 0 }];
  for (let at = waiting.pop(); at; at = waiting.pop()) {
    const { path, start } = at;
    for (const dirent of readdirSync(walker.at(path).path, {
      withFileTypes: true,
      encoding: 'latin1' as 'utf8',
    })) {
      if (!dirent.isDirectory()) continue;
      const below = path === '' ? dirent.name : `${path}/${dirent.name}`;
      const far = below.length - start > STRIDE;
      waiting.push({ path: below, start: far ? below.length : start });
      if (far) yield below;
    }
  }
}

/** What getfattr did not reach by paths from the root. */
async function dumpDeep(root: string, dump: Dump, encoding: NameEncoding): Promise<void> {
  const walker = openWalker(root, 'bytes');
  const text = (bytes: string) => Buffer.from(bytes, 'latin1').toString(encoding);
  const prefix = `/proc/self/fd/${FIRST_DESCRIPTOR}`;
  let open: Directory | undefined;
  try {
    for (const path of startsBelow(walker)) {
      // A walker's directory is valid until its next step.
      open = openRoot(walker.at(path).path);
      const { stdout } = await getfattr(RECURSIVE, [`${prefix}/.`], encoding, [open.fd]);
      closeDirectory(open);
      open = undefined;
      for (const [found, pairs] of parseDump(stdout, encoding)) {
        const relative = found.slice(`${prefix}/.`.length);
        dump.set(`${root}/${text(path)}${relative}`, pairs);
      }
    }
  } finally {
    if (open) closeDirectory(open);
    walker.close();
  }
}

/** @param root trusted path; its own attributes are told as well */
async function dumpTree(root: string, encoding: NameEncoding): Promise<Dump> {
  const { stdout, stderr } = await getfattr(RECURSIVE, [root], encoding);
  const dump: Dump = parseDump(stdout, encoding);
  if (stderr.includes(TOO_LONG)) await dumpDeep(root, dump, encoding);
  return dump;
}

/**
 * Reads the extended attributes of a directory and everything below it.
 * @returns by absolute path; paths and names are bytes (`latin1`)
 */
export async function readTreeXattrs(root: string): Promise<Map<string, Xattrs>> {
  return new Map(keptXattrs(await dumpTree(root, 'latin1')));
}

const OPAQUE = /^(trusted|user)\.overlay\.opaque$/;

/** What the extended attributes of a layer in overlayfs form say. */
export interface LayerMarks {
  /**
   * Directories whose trusted. or user.overlay.opaque is `y` (overlayfs documentation, "whiteouts
   * and opaque directories").
   */
  readonly opaque: readonly string[];
  /** No file has attributes of its own. */
  readonly withoutXattrs: boolean;
}

/**
 * Reads both at once: to ask every file is what takes the time.
 * @returns absolute paths
 * @throws IsolationError when getfattr is not installed
 */
export async function readLayerMarks(layer: string): Promise<LayerMarks> {
  const dump = await dumpTree(layer, 'utf8');
  const opaque: string[] = [];
  for (const [path, pairs] of dump) {
    // 'x' marks a directory that holds xattr whiteouts; only 'y' hides the layers below.
    if (pairs.some(([name, value]) => OPAQUE.test(name) && value === '79')) opaque.push(path);
  }
  return { opaque, withoutXattrs: keptXattrs(dump).next().done === true };
}
