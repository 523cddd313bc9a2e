/** What was built, in a word or two. Pure. */
import { basename, dirname, relative } from 'node:path';
import type { BuildHeader } from './record.js';

/** The directory's name, and the Dockerfile where it has another one. */
export function describeProject({
  context,
  dockerfile,
}: Pick<BuildHeader, 'context' | 'dockerfile'>): string {
  const name = context.startsWith('/') ? basename(context) || context : context;
  const isUsual = dockerfile === 'Dockerfile' || dirname(dockerfile) === context;
  const file = isUsual ? basename(dockerfile) : relative(context, dockerfile);
  return file === 'Dockerfile' ? name : `${name} (${context.startsWith('/') ? file : dockerfile})`;
}
