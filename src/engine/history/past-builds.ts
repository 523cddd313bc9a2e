/** The builds that came before one, of the same Dockerfile. */
import type { Store } from '../../store/store.js';
import { listBuilds } from './read-builds.js';
import type { BuildHeader, BuildSummary } from './record.js';

/** So many at most. */
const MOST = 40;

/** @returns the newest first; those that go on are not among them */
export async function pastBuilds(
  store: Store,
  {
    context,
    dockerfile,
    target,
    started,
  }: Omit<BuildHeader, 'type' | 'version' | 'id' | 'process'>,
): Promise<BuildSummary[]> {
  const past: BuildSummary[] = [];
  for await (const build of listBuilds(store)) {
    const { header, status } = build;
    if (header.started >= started || status === 'running') continue;
    const isSame = header.context === context && header.dockerfile === dockerfile;
    if (isSame && header.target === target) past.push(build);
    if (past.length >= MOST) break;
  }
  return past;
}
