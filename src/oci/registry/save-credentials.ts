/** Writes and removes credentials where credentials.ts finds them. */
import { randomBytes } from 'node:crypto';
import { mkdir, open, realpath, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { homeOr } from '../../util/home-directory.js';
import { cannotWrite, ImageError } from '../image-error.js';
import { callHelper, knowsNothing } from './credential-helper.js';
import type { AuthEntry, AuthFile } from './credentials.js';
import { authFiles, bareHost, findCredentials, readAuthFile, serverKey } from './credentials.js';

/** A user's name and password. */
export interface Login {
  readonly username: string;
  readonly password: string;
}

/**
 * The file that logins are written to: $REGISTRY_AUTH_FILE, else Docker's config.json.
 * @throws ImageError for a user without a home directory
 */
export function loginFile(env: NodeJS.ProcessEnv): string {
  if (env.REGISTRY_AUTH_FILE) return env.REGISTRY_AUTH_FILE;
  const docker = homeOr(env.DOCKER_CONFIG, '.docker', env);
  if (docker === undefined)
    throw new ImageError('there is no place for logins: you have no home directory', {
      hint: 'set HOME, or REGISTRY_AUTH_FILE to a file',
    });
  return join(docker, 'config.json');
}

/** Is the key a name of this registry, as a whole and not of one repository? */
function isKeyOf(key: string, host: string): boolean {
  const bare = bareHost(key);
  return bare === host || bare === bareHost(serverKey(host));
}

/** The file with another entry for a registry; everything else in it is kept. */
function withEntry(file: AuthFile, host: string, entry: AuthEntry | undefined): AuthFile {
  const others = Object.entries(file.auths ?? {}).filter(([key]) => !isKeyOf(key, host));
  const own = entry === undefined ? [] : [[serverKey(host), entry] as const];
  return { ...file, auths: Object.fromEntries([...others, ...own]) };
}

/** Renames a new file over the old one: readers see all of the old or all of the new. Only the owner can read it. */
async function writePrivate(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  // A link to a file elsewhere stays one.
  const target = await realpath(path).catch(() => path);
  const temporary = `${target}.${process.pid}-${randomBytes(6).toString('hex')}`;
  const handle = await open(temporary, 'wx', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
    await handle.close();
    await rename(temporary, target);
  } catch (error) {
    await handle.close().catch(() => undefined);
    await rm(temporary, { force: true });
    throw error;
  }
}

async function writeAuthFile(path: string, file: AuthFile): Promise<void> {
  try {
    await writePrivate(path, `${JSON.stringify(file, null, '\t')}\n`);
  } catch (cause) {
    throw cannotWrite(path, cause);
  }
}

function getHelper(file: AuthFile, host: string): string | undefined {
  return (
    file.credHelpers?.[host] ??
    file.credHelpers?.[serverKey(host)] ??
    (file.credsStore || undefined)
  );
}

/** Where credentials went, for messages. */
export interface Saved {
  /** A file, or the program that keeps them. */
  readonly place: string;
  readonly helper: boolean;
}

/**
 * Keeps a login: with the helper that the file names for the registry, else in the file itself.
 * @param host as in a reference
 * @throws ImageError
 */
export async function saveLogin(
  host: string,
  { username, password }: Login,
  env: NodeJS.ProcessEnv,
): Promise<Saved> {
  const path = loginFile(env);
  const file = (await readAuthFile(path, false)) ?? {};
  const helper = getHelper(file, host);
  if (helper === undefined) {
    const auth = Buffer.from(`${username}:${password}`).toString('base64');
    await writeAuthFile(path, withEntry(file, host, { auth }));
    return { place: path, helper: false };
  }
  const input = JSON.stringify({
    ServerURL: serverKey(host),
    Username: username,
    Secret: password,
  });
  const { failed, said, program } = await callHelper(helper, 'store', input, env);
  if (failed)
    throw new ImageError(`${program} did not keep the login: ${said}`, { registry: host });
  // The empty entry says that there is a login; an old password beside it would still be used.
  await writeAuthFile(path, withEntry(file, host, {}));
  return { place: program, helper: true };
}

/**
 * Forgets a login.
 * @returns whether there was one
 * @throws ImageError
 */
export async function eraseLogin(host: string, env: NodeJS.ProcessEnv): Promise<boolean> {
  const path = loginFile(env);
  const file = await readAuthFile(path, false);
  if (file === undefined) return false;
  const helper = getHelper(file, host);
  let erased = false;
  if (helper !== undefined) {
    const known = await callHelper(helper, 'get', serverKey(host), env);
    const answer = known.failed ? known : await callHelper(helper, 'erase', serverKey(host), env);
    if (answer.failed && !knowsNothing(answer))
      throw new ImageError(`${answer.program} did not forget the login: ${answer.said}`, {
        registry: host,
      });
    erased = !answer.failed;
  }
  const inFile = Object.keys(file.auths ?? {}).some((key) => isKeyOf(key, host));
  if (inFile) await writeAuthFile(path, withEntry(file, host, undefined));
  return erased || inFile;
}

/** Other files with credentials for the registry, which `wiac pull` and `push` find as well. */
export async function otherLogins(host: string, env: NodeJS.ProcessEnv): Promise<string[]> {
  const own = loginFile(env);
  const found: string[] = [];
  for (const file of authFiles(env, process.getuid?.() ?? 0)) {
    if (file === own) continue;
    // One file at a time: as if the user had chosen it.
    const known = await readAuthFile(file, false);
    if (known && (await findCredentials(host, '', { ...env, REGISTRY_AUTH_FILE: file })))
      found.push(file);
  }
  return found;
}
