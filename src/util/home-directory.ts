import { userInfo } from 'node:os';

/**
 * The home directory of the user.
 * @returns undefined for one who has none: no $HOME, and a uid that /etc/passwd lacks, as in many
 *   a container. os.homedir() throws then, and takes an empty $HOME for the working directory.
 */
export function homeDirectory({ HOME }: NodeJS.ProcessEnv): string | undefined {
  if (HOME) return HOME;
  try {
    return userInfo().homedir || undefined;
  } catch {
    return undefined;
  }
}

/** A directory that $XDG_... names, else its default below the user's home. */
export function homeOr(
  named: string | undefined,
  below: string,
  env: NodeJS.ProcessEnv,
): string | undefined {
  return named || homeDirectory(env)?.concat('/', below);
}
