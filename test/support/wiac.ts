/** Runs the built command as a user would, in a store and temporary directories of its own. */
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { afterAll, afterEach, expect } from '@jest/globals';
import { execa } from 'execa';
import { notStuck } from './not-stuck.js';

/** The command under test. */
export const WIAC = join(process.cwd(), 'dist/wiac.cjs');

const made: string[] = [];

/** A directory that is removed after the test. */
export function tempDir(): string {
  const directory = mkdtempSync(join(tmpdir(), 'wiac-test-'));
  made.push(directory);
  return directory;
}

const kept: string[] = [];

/** A directory that is removed after all tests of the file: for servers that they share. */
export function sharedDir(): string {
  const directory = mkdtempSync(join(tmpdir(), 'wiac-shared-'));
  kept.push(directory);
  return directory;
}

afterAll(() => {
  for (const directory of kept.splice(0)) rmSync(directory, { recursive: true, force: true });
});

afterEach(() => {
  for (const directory of made.splice(0)) {
    // Mounts that wiac left would be a bug of their own: every test looks for them.
    expect(mountsBelow(directory)).toEqual([]);
    rmSync(directory, { recursive: true, force: true });
  }
});

/** Mount points below a directory, or that use it. */
export function mountsBelow(directory: string): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(directory));
}

/** Processes of this machine whose command line contains a text; give it a number of its own. */
export function processesWith(text: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(text);
    } catch {
      // It ended between the two calls.
      return false;
    }
  });
}

/** Resolves when a stream has printed a text; throws what it did print when it ends without. */
export async function printed(stream: Readable, text: string): Promise<void> {
  let seen = '';
  await new Promise<void>((resume, refuse) => {
    stream.on('data', (data: Buffer) => {
      seen += data.toString();
      if (seen.includes(text)) resume();
    });
    stream.once('close', () => refuse(new Error(`never printed ${text}: ${seen}`)));
  });
}

/** What a command left. */
export interface Result {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Uint8Array;
}

/** A store with the commands that use it. */
export interface Machine {
  readonly root: string;
  readonly wiac: (args: readonly string[], options?: RunOptions) => Promise<Result>;
  /** A build that must succeed; its lowerdir string and its events. */
  readonly build: (
    context: string,
    ...flags: string[]
  ) => Promise<{ lowerdirs: string; events: BuildEvent[] }>;
}

/** Events of --progress=json, as loosely typed as a reader of that output has them. */
export type BuildEvent = { readonly type: string } & Readonly<Record<string, unknown>>;

/** A machine with an empty store. */
export function machine(): Machine {
  const root = join(tempDir(), 'store');
  const wiac = async (args: readonly string[], options: RunOptions = {}): Promise<Result> => {
    const command = execa(process.execPath, ['--', WIAC, ...args], {
      reject: false,
      stripFinalNewline: false,
      env: { WIAC_ROOT: root, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.input === undefined ? { stdin: 'ignore' } : { input: options.input }),
    });
    const { exitCode, stdout, stderr } = await notStuck(command);
    return { exitCode, stdout, stderr };
  };
  return { root, wiac, build: buildWith(wiac) };
}

/** Builds that must succeed, by what carries a command out. */
export function buildWith(wiac: (args: readonly string[]) => Promise<Result>): Machine['build'] {
  return async (context, ...flags) => {
    const { exitCode, stdout, stderr } = await wiac([
      'build',
      '--progress=json',
      ...flags,
      context,
    ]);
    if (exitCode !== 0) throw new Error(`build failed with ${exitCode}: ${stderr}`);
    const events = stderr
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as BuildEvent);
    return { lowerdirs: stdout.trimEnd(), events };
  };
}

/** Writes files by their path; a value ending in a target after `-> ` makes a symbolic link. */
export function writeTree(root: string, files: Readonly<Record<string, string>>): void {
  for (const [path, content] of Object.entries(files)) {
    const target = join(root, path);
    mkdirSync(dirname(target), { recursive: true });
    if (content.startsWith('-> ')) symlinkSync(content.slice(3), target);
    else writeFileSync(target, content);
  }
}

const APPLETS = [
  'sh',
  'ls',
  'cat',
  'echo',
  'printf',
  'chmod',
  'chown',
  'mkdir',
  'rm',
  'id',
  'mount',
  'ps',
  'sleep',
  'touch',
  'env',
  'pwd',
  'readlink',
  'ln',
  'grep',
  'true',
  'false',
  'kill',
  'hostname',
  'date',
  'stat',
  'head',
  'tty',
  'test',
];

/** A build context with a shell in `bin/` and the given files; `Dockerfile` is one of them. */
export function context(files: Readonly<Record<string, string>>): string {
  const root = tempDir();
  mkdirSync(join(root, 'bin'));
  copyFileSync('/bin/busybox', join(root, 'bin/busybox'));
  for (const applet of APPLETS) symlinkSync('busybox', join(root, 'bin', applet));
  writeTree(root, files);
  return root;
}

/** Dockerfile text: a base with a shell, then the given lines. */
export function dockerfile(...lines: string[]): string {
  return ['FROM scratch', 'COPY bin /bin', ...lines, ''].join('\n');
}

/** Texts of the steps that ran. */
export function ranSteps(events: readonly BuildEvent[]): string[] {
  const planned = events.find(({ type }) => type === 'planned') as unknown as {
    steps: { id: string; text: string }[];
  };
  const texts = new Map(planned.steps.map(({ id, text }) => [id, text]));
  return events
    .filter(({ type }) => type === 'started')
    .map(({ step }) => texts.get(String(step)) ?? '');
}

/** Output lines of a build's steps. */
export function getOutput(events: readonly BuildEvent[]): string[] {
  return events.filter(({ type }) => type === 'output').map(({ text }) => String(text));
}
