/** The files of a stack of layers as one sees them mounted, for comparisons. */
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { tempDir } from './wiac.js';

/** One line a file: type, mode, owner, and content or target. */
export function describeTree(root: string, directory = ''): string[] {
  return readdirSync(join(root, directory))
    .sort()
    .flatMap((name) => {
      const path = join(directory, name);
      const stats = lstatSync(join(root, path));
      const mode = (stats.mode & 0o7777).toString(8);
      const head = `${path} ${mode} ${stats.uid}:${stats.gid}`;
      if (stats.isDirectory()) return [`${head} dir`, ...describeTree(root, path)];
      if (stats.isSymbolicLink())
        return [`${path} ${stats.uid}:${stats.gid} -> ${readlinkSync(join(root, path))}`];
      if (stats.isFile()) return [`${head} ${readFileSync(join(root, path), 'base64')}`];
      return [`${head} special ${stats.rdev}`];
    });
}

/** Mounts a lowerdir string read-only with mount(8), describes what is there, and unmounts it. */
export async function describeLayers(lowerdirs: string): Promise<string[]> {
  const root = tempDir();
  const empty = join(root, 'empty');
  const merged = join(root, 'merged');
  mkdirSync(empty);
  mkdirSync(merged);
  await execa('mount', [
    '-t',
    'overlay',
    'overlay',
    '-o',
    `ro,lowerdir=${lowerdirs}:${empty}`,
    merged,
  ]);
  try {
    return describeTree(merged);
  } finally {
    await execa('umount', [merged]);
    rmSync(merged, { recursive: true });
  }
}

/** What buildah makes of a build context, described the same way. */
export async function describeBuildah(context: string): Promise<string[]> {
  const root = tempDir();
  const storage = [
    '--root',
    join(root, 'root'),
    '--runroot',
    join(root, 'run'),
    '--storage-driver',
    'vfs',
  ];
  const buildah = async (...args: string[]) =>
    (await execa('buildah', [...storage, ...args])).stdout.trim();
  const image = await buildah('build', '--isolation', 'chroot', '-q', context);
  const container = await buildah('from', image);
  try {
    return describeTree(await buildah('mount', container));
  } finally {
    await buildah('umount', container);
    await buildah('rm', container);
  }
}
