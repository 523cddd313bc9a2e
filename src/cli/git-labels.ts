/**
 * BUILDX_GIT_LABELS: labels that say which commit an image was built from (Docker documentation,
 * "Build variables").
 */
import { realpathSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { localGit } from '../sources/git.js';
import { UsageError } from '../util/errors.js';
import { withoutCredentials } from '../util/redact.js';

/** Which labels there are to be; undefined: none. @throws UsageError */
function wanted(value: string): 'some' | 'all' | undefined {
  if (/^full$/i.test(value)) return 'all';
  if (/^(1|t|true)$/i.test(value)) return 'some';
  if (/^(0|f|false)?$/i.test(value)) return undefined;
  throw new UsageError(`BUILDX_GIT_LABELS=${value} is not understood`, {
    hint: 'write 1, or full for the address of the repository as well',
  });
}

/**
 * Labels of a build context in the working tree of a repository, as --label has them.
 * @param file of --file
 * @param warn is called when the directory is no repository
 * @throws UsageError
 */
export async function gitLabels(
  path: string,
  file: string | undefined,
  env: NodeJS.ProcessEnv,
  warn: (message: string) => void,
): Promise<string[]> {
  const which = wanted(env.BUILDX_GIT_LABELS ?? '');
  if (which === undefined) return [];
  const git = await localGit(env, path);
  const ask = async (...args: string[]) => {
    const { exitCode, stdout } = await git(path, ...args);
    return exitCode === 0 ? stdout.trim() : undefined;
  };
  const commit = await ask('rev-parse', '--verify', 'HEAD^{commit}').catch(() => undefined);
  const top = commit && (await ask('rev-parse', '--show-toplevel'));
  if (commit === undefined || !top) {
    warn(`BUILDX_GIT_LABELS: git knows no commit of ${path}`);
    return [];
  }
  const isDirty =
    /^(1|t|true)$/i.test(env.BUILDX_GIT_CHECK_DIRTY ?? '') &&
    // What is changed in a submodule is not looked for: its settings may name filters, too.
    (await ask(
      'status',
      '--porcelain',
      '--untracked-files=normal',
      '--ignore-submodules=dirty',
    )) !== '';
  const dockerfile = file ?? join(path, 'Dockerfile');
  const entrypoint = relative(top, join(realpathSync(dirname(dockerfile)), basename(dockerfile)));
  const source = which === 'all' ? await ask('remote', 'get-url', 'origin') : undefined;
  return [
    `com.docker.image.source.entrypoint=${entrypoint}`,
    `org.opencontainers.image.revision=${commit}${isDirty ? '-dirty' : ''}`,
    ...(source ? [`org.opencontainers.image.source=${withoutCredentials(source)}`] : []),
  ];
}
