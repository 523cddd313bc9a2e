/**
 * git(1) on repositories of others: nothing that a repository holds is run, nothing of this machine
 * is read for it, and the files are the same whatever this user's git is set to. What helps to reach
 * a server (ssh, proxies, certificates, credential helpers, url.insteadOf) stays as it is set.
 */
import type { Credentials } from '../plan/git-url.js';

/** Settings of git that decide which files it checks out and which programs it runs. */
const SETTINGS = [
  'advice.detachedHead=false',
  'core.attributesFile=/dev/null',
  'core.autocrlf=false',
  'core.fileMode=true',
  'core.fsmonitor=false',
  'core.hooksPath=/dev/null',
  'core.symlinks=true',
  'init.defaultBranch=main',
  // A submodule must not be a repository of this machine, a remote helper not a command.
  'protocol.ext.allow=never',
  'protocol.file.allow=user',
] as const;

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
function credentialSettings(url: string): [string, string][] {
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

function environmentFor(
  environment: NodeJS.ProcessEnv,
  url: string,
  credentials: Credentials | undefined,
): Record<string, string> {
  const entries = Object.entries(environment).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && (!entry[0].startsWith('GIT_') || KEPT.test(entry[0])),
  );
  const settings = credentials === undefined ? [] : credentialSettings(url);
  const numbered = settings.flatMap(([key, value], index): [string, string][] => [
    [`GIT_CONFIG_KEY_${index}`, key],
    [`GIT_CONFIG_VALUE_${index}`, value],
  ]);
  return Object.fromEntries([
    ...entries,
    ...proxies(environment),
    ...numbered,
    ['GIT_CONFIG_COUNT', String(settings.length)],
    // There is no terminal to type a password on.
    ['GIT_TERMINAL_PROMPT', '0'],
    ['GIT_ASKPASS', 'true'],
    ['SSH_ASKPASS', 'true'],
    ['LC_ALL', 'C'],
    ...(credentials === undefined
      ? []
      : [
          ['WIAC_GIT_USER', credentials.user],
          ['WIAC_GIT_PASSWORD', credentials.password],
        ]),
  ]);
}

/** Drivers that attributes of a repository could name: each is a command of this user's settings. */
async function noFilters(run: Git): Promise<string[]> {
  const { stdout } = await run('/', 'config', '--name-only', '--get-regexp', '^filter\\.');
  return [...new Set(stdout.split('\n').filter(Boolean))].map((name) =>
    name.endsWith('.required') ? `${name}=false` : `${name}=`,
  );
}

/** A git that can be trusted with the repository of that URL. */
export async function safeGit(
  environment: NodeJS.ProcessEnv,
  url: string,
  credentials: Credentials | undefined,
  signal?: AbortSignal,
): Promise<Git> {
  const { execa } = await import('execa');
  const env = environmentFor(environment, url, credentials);
  const withSettings =
    (settings: readonly string[]): Git =>
    async (cwd, ...args) => {
      const all = [...settings.flatMap((setting) => ['-c', setting]), ...args];
      // The same modes for everybody.
      const script = 'umask 022 && exec git "$@"';
      const result = await execa('sh', ['-c', script, 'git', ...all], {
        cwd,
        reject: false,
        env,
        extendEnv: false,
        stdin: 'ignore',
        ...(signal && { cancelSignal: signal }),
      });
      const { exitCode, stdout, stderr, shortMessage } = result;
      return { exitCode, stdout, stderr, shortMessage };
    };
  return withSettings([...SETTINGS, ...(await noFilters(withSettings([])))]);
}
