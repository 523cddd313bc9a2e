/** Programs that keep credentials: the docker-credential-helpers protocol. */
import { ImageError } from '../image-error.js';

/** What a helper can be asked to do. */
export type HelperAction = 'get' | 'store' | 'erase';

/** What a helper answered. */
export interface HelperAnswer {
  readonly failed: boolean;
  readonly stdout: string;
  /** What it says about its failure. */
  readonly said: string;
  /** `docker-credential-NAME` */
  readonly program: string;
}

/**
 * Calls `docker-credential-NAME ACTION` with the input on its standard input.
 * @throws ImageError when that can be no name of a program
 */
export async function callHelper(
  helper: string,
  action: HelperAction,
  input: string,
  env: NodeJS.ProcessEnv,
): Promise<HelperAnswer> {
  if (!/^[A-Za-z0-9_.-]+$/.test(helper))
    throw new ImageError(`"${helper}" is not the name of a credential helper`);
  const { execa } = await import('execa');
  const program = `docker-credential-${helper}`;
  const result = await execa(program, [action], {
    input,
    env,
    extendEnv: false,
    reject: false,
    timeout: 60_000,
  });
  const said = `${result.stdout ?? ''} ${result.stderr ?? ''}`.trim();
  return {
    failed: result.exitCode !== 0,
    stdout: result.stdout ?? '',
    said: said || result.originalMessage || 'it failed',
    program,
  };
}

/** Does a helper's failure mean that it knows nothing of the server? */
export function knowsNothing({ said }: HelperAnswer): boolean {
  return /credentials not found|no credentials/i.test(said);
}
