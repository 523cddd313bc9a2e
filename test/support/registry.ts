/** A real registry (Debian's docker-registry) on a loopback port, and images to put into it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { context, sharedDir, tempDir } from './wiac.js';

/** A port nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resume) => server.listen(0, '127.0.0.1', resume));
  const address = server.address();
  await new Promise((resume) => server.close(resume));
  return typeof address === 'object' && address ? address.port : 0;
}

async function isUp(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false;
  }
}

/** A running registry. */
export interface Registry {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** Its directory. */
  readonly data: string;
  /** Sends its process a signal. */
  readonly signal: (signal: NodeJS.Signals) => void;
  readonly stop: () => Promise<void>;
}

/** Starts a registry without authentication. @param again one that was stopped */
export async function startRegistry(again?: Registry): Promise<Registry> {
  const root = again ? dirname(again.data) : sharedDir();
  const host = again?.host ?? `127.0.0.1:${await freePort()}`;
  const config = join(root, 'config.yml');
  mkdirSync(join(root, 'data'), { recursive: true });
  writeFileSync(
    config,
    `version: 0.1\nstorage: {filesystem: {rootdirectory: ${root}/data}}\nhttp: {addr: ${host}}\n`,
  );
  const child = execa('docker-registry', ['serve', config], { reject: false, stdio: 'ignore' });
  while (!(await isUp(`http://${host}/v2/`))) await new Promise((resume) => setTimeout(resume, 50));
  return {
    host,
    data: join(root, 'data'),
    signal: (signal) => void child.kill(signal),
    stop: async () => {
      child.kill();
      await child;
    },
  };
}

/** Flags that give buildah a storage of its own. */
export function buildahStorage(driver: 'vfs' | 'overlay'): string[] {
  const root = tempDir();
  const run = join(root, 'run');
  return ['--root', join(root, 'root'), '--runroot', run, '--storage-driver', driver];
}

/**
 * Builds an image with buildah in a storage of its own.
 * @returns the image's name for buildah, and the flags that name its storage
 */
export async function buildahImage(
  lines: readonly string[],
  driver: 'vfs' | 'overlay' = 'vfs',
): Promise<{ name: string; storage: string[]; graphRoot: string }> {
  const storage = buildahStorage(driver);
  const [, graphRoot = ''] = storage;
  const directory = context({
    Dockerfile: ['FROM scratch', 'COPY bin /bin', ...lines, ''].join('\n'),
  });
  const flags = ['--isolation', 'chroot', '--format', 'docker', '--layers', '-q', '-t', 'base'];
  await execa('buildah', [...storage, 'build', ...flags, directory]);
  return { name: 'base', storage, graphRoot };
}
