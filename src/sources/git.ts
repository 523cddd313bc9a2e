/**
 * git(1) on repositories of others: nothing that a repository holds is run, nothing of this machine
 * is read for it, and the files are the same whatever this user's git is set to. What helps to reach
 * a server (ssh, proxies, certificates, credential helpers, url.insteadOf) stays as it is set.
 */
import type { Credentials } from '../plan/git-url.js';
import { atExit } from '../util/at-exit.js';

type Setting = readonly [name: string, value: string];

/** Settings of git that decide which files it checks out and which programs it runs. */
const SETTINGS: readonly Setting[] = [
  ['advice.detachedHead', 'false'],
  ['core.attributesFile', '/dev/null'],
  ['core.autocrlf', 'false'],
  ['core.fileMode', 'true'],
  ['core.fsmonitor', 'false'],
  ['core.hooksPath', '/dev/null'],
  // They would say who fetched, and when.
  ['core.logAllRefUpdates', 'false'],
  ['core.symlinks', 'true'],
  ['init.defaultBranch', 'main'],
  ['init.templateDir', ''],
  // A submodule must not be a repository of this machine, a remote helper not a command.
  ['protocol.ext.allow', 'never'],
  ['protocol.file.allow', 'user'],
];

/** Variables of git that say how to reach a server; all others are about another repository. */
const KEPT =
  /^GIT_(SSH|SSH_COMMAND|SSH_VARIANT|SSL_.*|PROXY_.*|HTTP_.*|ALLOW_PROTOCOL|TRACE.*|CONFIG_(GLOBAL|SYSTEM|NOSYSTEM))$/;

/** How a call of git ended. */
export interface GitResult {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  /** Why it could not be run. */
  readonly shortMessage: string | undefined;
}

/** A git for one repository. */
export type Git = (cwd: string, ...args: string[]) => Promise<GitResult>;

/** A shell command that answers as gitcredentials(7) wants it; the secrets come from its environment. */
const HELPER =
  '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" "$WIAC_GIT_USER" "$WIAC_GIT_PASSWORD"; }; f';

/** Settings for user and password of one server: its own helper, and no other for it. */
function credentialSettings(url: string): Setting[] {
  const { origin } = new URL(url);
  return [
    [`credential.${origin}.helper`, ''],
    [`credential.${origin}.helper`, HELPER],
  ];
}

/** As curl names them, which git uses: of HTTP_PROXY it knows only the small letters. */
const PROXIES = ['http_proxy', 'https_proxy', 'all_proxy', 'no_proxy'] as const;

function proxies(environment: NodeJS.ProcessEnv): [string, string][] {
  return PROXIES.flatMap((name): [string, string][] => {
    const value = environment[name] || environment[name.toUpperCase()];
    return value ? [[name, value]] : [];
  });
}

/** As variables: a name may have any characters, also the `=` that would end it behind `-c`. */
function asVariables(settings: readonly Setting[]): Record<string, string> {
  const variables = settings.flatMap(([name, value], index): [string, string][] => [
    [`GIT_CONFIG_KEY_${index}`, name],
    [`GIT_CONFIG_VALUE_${index}`, value],
  ]);
  return { ...Object.fromEntries(variables), GIT_CONFIG_COUNT: String(settings.length) };
}

function environmentFor(
  environment: NodeJS.ProcessEnv,
  credentials: Credentials | undefined,
): Record<string, string> {
  const entries = Object.entries(environment).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && (!entry[0].startsWith('GIT_') || KEPT.test(entry[0])),
  );
  return Object.fromEntries([
    ...entries,
    ...proxies(environment),
    // There is no terminal to type a password on.
    ['GIT_TERMINAL_PROMPT', '0'],
    ['GIT_ASKPASS', 'true'],
    ['SSH_ASKPASS', 'true'],
    // Or ssh would ask on the terminal that a build draws on, and wait there for an answer.
    ['SSH_ASKPASS_REQUIRE', 'force'],
    ['LC_ALL', 'C'],
    ...(credentials === undefined
      ? []
      : [
          ['WIAC_GIT_USER', credentials.user],
          ['WIAC_GIT_PASSWORD', credentials.password],
        ]),
  ]);
}

/** Drivers that attributes of a repository could name: each is a command of the settings that count there. */
async function noFilters(run: Git, directory: string): Promise<Setting[]> {
  const { stdout } = await run(directory, 'config', '--name-only', '--get-regexp', '^filter\\.');
  return [...new Set(stdout.split('\n').filter(Boolean))].map((name) => [
    name,
    name.endsWith('.required') ? 'false' : '',
  ]);
}

/**
 * Waits for a leader of a process group. A signal ends them all: git speaks to a server through processes of its own,
 * which would go on, and keep its output open.
 * @throws the signal's reason
 */
async function endingWith<T>(
  signal: AbortSignal | undefined,
  leader: number | undefined,
  ended: Promise<T>,
): Promise<T> {
  const end = (): void => {
    try {
      if (leader !== undefined) process.kill(-leader, 'SIGTERM');
    } catch {
      // They ended by themselves.
    }
  };
  const forget = atExit(end);
  if (signal?.aborted) end();
  signal?.addEventListener('abort', end);
  const result = await ended.finally(() => {
    signal?.removeEventListener('abort', end);
    forget();
  });
  signal?.throwIfAborted();
  return result;
}

/** @param directory the settings that count in there may name filters */
async function gitWith(
  env: Readonly<Record<string, string>>,
  settings: readonly Setting[],
  directory: string,
  signal?: AbortSignal,
): Promise<Git> {
  const { execa } = await import('execa');
  const withSettings =
    (all: readonly Setting[]): Git =>
    async (cwd, ...args) => {
      // The same modes for everybody.
      const script = 'umask 022 && exec git "$@"';
      const child = execa('sh', ['-c', script, 'git', ...args], {
        cwd,
        reject: false,
        env: { ...env, ...asVariables(all) },
        extendEnv: false,
        stdin: 'ignore',
        detached: true,
      });
      const result = await endingWith(signal, child.pid, child);
      const { exitCode, stdout, stderr, shortMessage } = result;
      return { exitCode, stdout, stderr, shortMessage };
    };
  const first = [...SETTINGS, ...settings];
  return withSettings([...first, ...(await noFilters(withSettings(first), directory))]);
}

/** A git that can be trusted with the repository of that URL. */
export function safeGit(
  environment: NodeJS.ProcessEnv,
  url: string,
  credentials: Credentials | undefined,
  signal: AbortSignal,
): Promise<Git> {
  const settings = credentials === undefined ? [] : credentialSettings(url);
  return gitWith(environmentFor(environment, credentials), settings, '/', signal);
}

/**
 * A git that can be asked about a working tree of this machine, which may be a stranger's with settings of its own:
 * filters, and a server (by a command) for objects that are missing.
 */
export function localGit(environment: NodeJS.ProcessEnv, directory: string): Promise<Git> {
  const env = { ...environmentFor(environment, undefined), GIT_ALLOW_PROTOCOL: 'none' };
  return gitWith(env, [], directory);
}
