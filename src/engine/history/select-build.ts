/** Which build is meant: `last`, `failed`, a directory, the beginning of an id; `~N` goes back from there. */
import { dirname, resolve } from 'node:path';
import type { Store } from '../../store/store.js';
import { NotFoundError, UsageError } from '../../util/errors.js';
import { listBuilds } from './read-builds.js';
import type { BuildHeader, BuildStatus, BuildSummary } from './record.js';

const HINT = 'write last, failed, a directory, or the beginning of an id; ~1 is the one before';

/** A text of a command line, taken apart. */
interface Selector {
  readonly matches: (build: Pick<BuildSummary, 'header' | 'status'>) => boolean;
  /** `~N` counts those that match; after an id it counts all. */
  readonly counts: 'matching' | 'all';
  readonly back: number;
  readonly isId: boolean;
}

/** Is it a build of what is in this directory? Its Dockerfile may be elsewhere, or lie there alone. */
export function isOfProject({ context, dockerfile }: BuildHeader, directory: string): boolean {
  return context === directory || dirname(dockerfile) === directory;
}

/** @param directory that paths begin in @throws NotFoundError for what can be no build */
export function parseSelector(text: string, directory: string): Selector {
  const [, base = '', number = ''] = /^(.+?)(?:~(\d*))?$/s.exec(text) ?? [];
  const back = number === '' ? Number(text !== base) : Number(number);
  const matching = (matches: Selector['matches']) =>
    ({ matches, counts: 'matching', back, isId: false }) as const;
  if (base === 'last') return matching(() => true);
  if (base === 'failed') return matching(({ status }) => status === 'failed');
  if (base.startsWith('.') || base.includes('/')) {
    const project = resolve(directory, base);
    return matching(({ header }) => isOfProject(header, project));
  }
  if (!/^[a-z2-7]{1,8}$/.test(base))
    throw new NotFoundError(`${text} names no build`, { hint: HINT });
  return { matches: ({ header }) => header.id.startsWith(base), counts: 'all', back, isId: true };
}

/** @throws NotFoundError for a text that names no build, UsageError for one that names several */
export async function selectBuild(
  store: Pick<Store, 'paths'>,
  text: string,
  directory: string,
): Promise<BuildSummary> {
  const { matches, counts, back, isId } = parseSelector(text, directory);
  let wanted: BuildSummary | undefined;
  let found: string | undefined;
  let left = back;
  for await (const build of listBuilds(store)) {
    const isMatch = matches(build);
    if (isId && isMatch && found !== undefined)
      throw new UsageError(`${text} is the beginning of ${found} and of ${build.header.id}`, {
        hint: 'write more of it',
      });
    if (isMatch) found ??= build.header.id;
    const isCounted = counts === 'all' ? found !== undefined : isMatch;
    if (wanted || !isCounted) continue;
    if (left === 0) wanted = build;
    left -= 1;
    if (wanted && !isId) break;
  }
  if (wanted) return wanted;
  if (text === 'last')
    throw new NotFoundError('no build is kept', {
      hint: 'wiac build keeps one, unless the config file has { "history": false }',
    });
  const path = isId ? `; a directory is written ./${text}` : '';
  throw new NotFoundError(`there is no build ${text}`, {
    hint: `wiac history builds lists those that are kept${path}`,
  });
}

/** Which builds a list has. */
export interface BuildFilter {
  /** Directory of the context or of the Dockerfile. */
  readonly project?: string | undefined;
  readonly statuses?: readonly BuildStatus[] | undefined;
  readonly target?: string | undefined;
  /** A name that the result got. */
  readonly image?: string | undefined;
  /** Begun since: ms since 1970. */
  readonly since?: number | undefined;
}

/** Does the list have it? */
export function passesFilter(
  { header, status, result }: BuildSummary,
  filter: BuildFilter,
): boolean {
  const { project, statuses, target, image, since } = filter;
  return (
    (project === undefined || isOfProject(header, project)) &&
    (statuses === undefined || statuses.includes(status)) &&
    (target === undefined || header.target === target) &&
    (image === undefined || (result?.images.includes(image) ?? false)) &&
    (since === undefined || header.started >= since)
  );
}
