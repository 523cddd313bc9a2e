/**
 * An ordinary user with ranges in /etc/subuid, whatever this machine has there: the files that say
 * so are shown in a mount namespace only.
 */
import { chmodSync, chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import type { BuildEvent, Result } from './wiac.js';
import { getOutput, tempDir, WIAC } from './wiac.js';

/** Number of the user and the group. */
export const ORDINARY_UID = 12_345;

const NAME = 'wiac-test';

/** What a user has that wiac looks at. */
export interface OrdinaryUser {
  /** The user's home; store and temporary files are in it. */
  readonly home: string;
  /** The command that runs another one as that user: put it in front. */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** What a user is to have. */
interface Given {
  /** Flags of setpriv(1), such as `--ambient-caps=+net_raw`. */
  readonly flags?: readonly string[];
  /** In /etc/subuid and /etc/subgid: a line of its own, or the usual one. */
  readonly ranges?: boolean | string;
  /** Everything of that user is made below it; undefined: it goes with the test. */
  readonly below?: string;
}

export function ordinaryUser({ flags = [], ranges = true, below }: Given = {}): OrdinaryUser {
  const directory = below ?? tempDir();
  const lines = typeof ranges === 'string' ? `${ranges}\n` : ranges ? `${NAME}:200000:65536\n` : '';
  chmodSync(directory, 0o755);
  const files = {
    passwd: `${readFileSync('/etc/passwd', 'utf8')}${NAME}:x:${ORDINARY_UID}:${ORDINARY_UID}::/:/bin/sh\n`,
    group: `${readFileSync('/etc/group', 'utf8')}${NAME}:x:${ORDINARY_UID}:\n`,
    subuid: lines,
    subgid: lines,
  };
  const mounts = Object.entries(files).map(([name, text]) => {
    const path = join(directory, name);
    writeFileSync(path, text);
    return `mount --bind ${path} /etc/${name}`;
  });
  const home = join(directory, 'home');
  const tmp = join(home, 'tmp');
  for (const path of [home, tmp]) {
    mkdirSync(path, { mode: 0o700 });
    chownSync(path, ORDINARY_UID, ORDINARY_UID);
  }
  const user = `exec setpriv --reuid=${ORDINARY_UID} --regid=${ORDINARY_UID} --clear-groups ${flags.join(' ')} -- "$@"`;
  return {
    home,
    command: ['unshare', '--mount', 'sh', '-ec', [...mounts, user].join('\n'), 'sh'],
    env: { HOME: home, TMPDIR: tmp, WIAC_ROOT: join(home, 'store'), XDG_RUNTIME_DIR: tmp },
  };
}

/** Who runs wiac, and how its containers are kept apart. */
export interface Mode {
  readonly user: 'root' | 'ordinary';
  readonly isolation: 'namespaces' | 'chroot';
  /** The OCI runtime that makes them; undefined: wiac does. */
  readonly runtime?: 'runc' | 'crun';
  /** The option that says so. */
  readonly flag: string;
}

/** Each runtime with one of the users: with both it would be the same container. */
const RUNTIMES: readonly Mode[] = [
  { user: 'root', isolation: 'namespaces', runtime: 'runc', flag: '--runtime=runc' },
  { user: 'ordinary', isolation: 'namespaces', runtime: 'crun', flag: '--runtime=crun' },
];

/** Every way to run a program. */
export const MODES: readonly Mode[] = [
  ...(['root', 'ordinary'] as const).flatMap((user) =>
    (['namespaces', 'chroot'] as const).map((isolation): Mode => {
      return { user, isolation, flag: `--isolation=${isolation}` };
    }),
  ),
  ...RUNTIMES,
];

/** Those in which more than the root is another. */
export const NAMESPACES = MODES.filter(({ isolation }) => isolation === 'namespaces');

/** The options of those for root, for test.each. */
export const RUNTIME_FLAGS = [['--runtime=runc'], ['--runtime=crun'], []];

/** wiac with a store of its own, for a user. */
export interface UserMachine {
  readonly root: string;
  /** What to put in front of a command so that the user runs it. */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Directory for temporary files. */
  readonly tmp: string;
}

/** @param flags of setpriv(1), for what the user is to have inherited */
export function getMachine(user: Mode['user'], ...flags: string[]): UserMachine {
  if (user === 'ordinary') {
    const { home, command, env } = ordinaryUser({ flags });
    return { root: join(home, 'store'), command, env, tmp: join(home, 'tmp') };
  }
  const tmp = tempDir();
  const root = join(tmp, 'store');
  const command = flags.length === 0 ? [] : ['setpriv', ...flags, '--'];
  return { root, command, env: { WIAC_ROOT: root, TMPDIR: tmp }, tmp };
}

/** Runs wiac in bash after some commands, such as `exec 200</tmp`. */
export async function wiacAs(
  { command, env }: UserMachine,
  args: readonly string[],
  before = ':',
): Promise<Result> {
  const script = `${before}; exec "$@"`;
  const [program = '', ...rest] = [
    ...command,
    ...['bash', '-c', script, 'bash', process.execPath, WIAC, ...args],
  ];
  const { exitCode, stdout, stderr } = await execa(program, rest, {
    reject: false,
    stdin: 'ignore',
    env,
    cwd: '/',
  });
  return { exitCode, stdout, stderr };
}

/** A build of a context that anybody may read. @returns what its steps printed */
export async function stepOutput(
  made: UserMachine,
  root: string,
  flags: readonly string[],
  before?: string,
): Promise<string[]> {
  chmodSync(root, 0o755);
  const { exitCode, stderr } = await wiacAs(
    made,
    ['build', '--progress=json', ...flags, root],
    before,
  );
  if (exitCode !== 0) throw new Error(`build failed with ${exitCode}: ${stderr}`);
  const events = stderr
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as BuildEvent);
  return getOutput(events);
}
