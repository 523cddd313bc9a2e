/**
 * Finds credentials where Docker, podman and their helpers keep them. Formats: Docker's
 * config.json, containers-auth.json(5), and the docker-credential-helpers protocol.
 */
import { join, resolve } from 'node:path';
import { hintOf } from '../../util/file-trouble.js';
import { homeOr } from '../../util/home-directory.js';
import { readSettings } from '../../util/regular-file.js';
import { getMessage, ImageError } from '../image-error.js';
import { callHelper, knowsNothing } from './credential-helper.js';

/** Who we are to a registry. */
export type Credentials =
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  /** A refresh token for the token server (OAuth2), as `docker login` gets from some registries. */
  | { readonly kind: 'identity-token'; readonly token: string };

/** One registry's entry. */
export interface AuthEntry {
  readonly auth?: unknown;
  readonly username?: unknown;
  readonly password?: unknown;
  readonly identitytoken?: unknown;
}

/** The members of config.json and auth.json that wiac reads. Writing a file keeps all other members. */
export interface AuthFile {
  readonly auths?: Readonly<Record<string, AuthEntry>>;
  readonly credHelpers?: Readonly<Record<string, string>>;
  readonly credsStore?: string;
}

/** Docker Hub's name in config.json, for historical reasons. */
const DOCKER_HUB_KEY = 'https://index.docker.io/v1/';

/** What a registry is called in config.json and by helpers. @param host as in a reference */
export function serverKey(host: string): string {
  return host === 'docker.io' ? DOCKER_HUB_KEY : host;
}

/**
 * Files that may have credentials, first come first served. $REGISTRY_AUTH_FILE excludes all
 * others, as with podman.
 * @param uid of this process
 */
export function authFiles(env: NodeJS.ProcessEnv, uid: number): string[] {
  if (env.REGISTRY_AUTH_FILE) return [env.REGISTRY_AUTH_FILE];
  const config = homeOr(env.XDG_CONFIG_HOME, '.config', env);
  const docker = homeOr(env.DOCKER_CONFIG, '.docker', env);
  const runtime = env.XDG_RUNTIME_DIR || `/run/containers/${uid}`;
  return [
    env.XDG_RUNTIME_DIR ? join(runtime, 'containers/auth.json') : join(runtime, 'auth.json'),
    ...(config === undefined ? [] : [join(config, 'containers/auth.json')]),
    ...(docker === undefined ? [] : [join(docker, 'config.json')]),
  ];
}

/**
 * Reads a file of credentials.
 * @param chosen whether the user named the file: then it has to be readable
 * @returns undefined when there is none
 * @throws ImageError
 */
export async function readAuthFile(file: string, chosen: boolean): Promise<AuthFile | undefined> {
  let text: string;
  try {
    text = readSettings(resolve(file)).toString();
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR' || (code === 'EACCES' && !chosen)) return undefined;
    throw new ImageError(`cannot read credentials from ${file}: ${getMessage(cause)}`, {
      cause,
      hint: hintOf(cause),
    });
  }
  try {
    const value: unknown = text.trim() === '' ? {} : JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : {};
  } catch (cause) {
    // JSON.parse quotes the text, which is full of passwords.
    throw new ImageError(`cannot read credentials from ${file}: it is not JSON`, {
      cause: (cause as Error).name,
    });
  }
}

/** `https://Example.org/v1/` and `example.org` are one registry. */
function hostOfKey(key: string): string {
  return key.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
}

/** A registry's name as a URL has it, without scheme and version: `https://example.org/v1/`. */
export function bareHost(text: string): string {
  return text.replace(/^https?:\/\//, '').replace(/\/(?:v[12]\/?)?$/, '');
}

/** Keys under which an image's credentials may be, the most specific first. */
function keysFor(host: string, repository: string): string[] {
  const parts = repository.split('/');
  const keys = parts.map((_, at) => [host, ...parts.slice(0, parts.length - at)].join('/'));
  const aliases = host === 'docker.io' ? [DOCKER_HUB_KEY, 'index.docker.io', 'docker.io'] : [host];
  return [...keys, ...aliases];
}

function fromEntry(entry: AuthEntry, file: string): Credentials | undefined {
  const { auth, username, password, identitytoken } = entry;
  if (typeof identitytoken === 'string' && identitytoken !== '')
    return { kind: 'identity-token', token: identitytoken };
  if (typeof auth === 'string' && auth !== '') {
    const text = Buffer.from(auth, 'base64').toString();
    const colon = text.indexOf(':');
    if (colon === -1) throw new ImageError(`${file}: an "auth" is not base64 of user:password`);
    const secret = text.slice(colon + 1).replace(/\0+$/, '');
    return { kind: 'basic', username: text.slice(0, colon), password: secret };
  }
  if (typeof username === 'string' && typeof password === 'string' && username !== '')
    return { kind: 'basic', username, password };
  return undefined;
}

function fromAuths(
  auths: Readonly<Record<string, AuthEntry>>,
  host: string,
  repository: string,
  file: string,
): Credentials | undefined {
  const exact = keysFor(host, repository).find((key) => Object.hasOwn(auths, key));
  const loose = Object.keys(auths).find((key) => hostOfKey(key) === host && key.includes('://'));
  const entry = auths[exact ?? loose ?? ''];
  return entry === undefined ? undefined : fromEntry(entry, file);
}

/** @returns undefined when the helper knows the registry not */
async function askHelper(
  helper: string,
  server: string,
  env: NodeJS.ProcessEnv,
): Promise<Credentials | undefined> {
  const answer = await callHelper(helper, 'get', server, env);
  const { failed, stdout, said, program } = answer;
  if (!failed) return parseHelperAnswer(stdout, program);
  if (knowsNothing(answer)) return undefined;
  throw new ImageError(`${program} gave no credentials for ${server}: ${said}`, {
    registry: server,
    hint: `run \`echo ${server} | ${program} get\` to see why`,
  });
}

function parseHelperAnswer(stdout: string, program: string): Credentials {
  let answer: { Username?: unknown; Secret?: unknown };
  try {
    answer = JSON.parse(stdout) as typeof answer;
  } catch {
    throw new ImageError(`${program} wrote something that is not JSON`);
  }
  const { Username, Secret } = answer;
  if (typeof Username !== 'string' || typeof Secret !== 'string')
    throw new ImageError(`${program} wrote no Username and Secret`);
  if (Username === '<token>') return { kind: 'identity-token', token: Secret };
  return { kind: 'basic', username: Username, password: Secret };
}

/**
 * Credentials for a repository of a registry: of each file its helper for this registry, then
 * what it holds itself, then its general helper.
 * @param host as in a reference; `docker.io` for Docker Hub
 * @returns undefined when there are none: ask anonymously
 * @throws ImageError when a file or a helper is broken
 */
export async function findCredentials(
  host: string,
  repository: string,
  env: NodeJS.ProcessEnv,
  uid = process.getuid?.() ?? 0,
): Promise<Credentials | undefined> {
  const server = serverKey(host);
  for (const file of authFiles(env, uid)) {
    const found = await readAuthFile(file, file === env.REGISTRY_AUTH_FILE);
    if (found === undefined) continue;
    const helper = found.credHelpers?.[host] ?? found.credHelpers?.[server];
    const credentials =
      (helper === undefined ? undefined : await askHelper(helper, server, env)) ??
      fromAuths(found.auths ?? {}, host, repository, file) ??
      (found.credsStore ? await askHelper(found.credsStore, server, env) : undefined);
    if (credentials !== undefined) return credentials;
  }
  return undefined;
}
