/** Where the lock file of a Dockerfile is: beside it. */
import { basename, dirname } from 'node:path';
import type { DockerfilePlace, SmallFile } from '../../fs/scan/local-context.js';
import { readSmallFile } from '../../fs/scan/local-context.js';
import { lockPath } from '../../lock/lock-file.js';
import { MAX_LOCK_BYTES } from '../../lock/parse-lock.js';

/** The place of the lock file of a Dockerfile. */
export interface LockPlace {
  /** Name of the Dockerfile, without its directory. */
  readonly dockerfile: string;
  /** As messages have it. */
  readonly title: string;
  /** Where it is written; undefined where it is part of a context that was fetched. */
  readonly path: string | undefined;
  /** Always the same answer: what is hashed is what is used. @throws the system's error */
  readonly read: () => SmallFile;
}

/**
 * The place beside a Dockerfile; undefined when that is in no directory.
 * @param title what messages call the Dockerfile
 * @param root of the context, if it was fetched
 */
export function getLockPlace(
  place: DockerfilePlace,
  title: string,
  root: string | undefined,
): LockPlace | undefined {
  if (place.kind === 'input') return undefined;
  const inContext = place.kind === 'context' ? root : undefined;
  const path = lockPath(place.path);
  let found: SmallFile | undefined;
  const read = () => {
    found ??=
      inContext === undefined
        ? readSmallFile(dirname(place.path), basename(path), MAX_LOCK_BYTES)
        : readSmallFile(inContext, path, MAX_LOCK_BYTES);
    return found;
  };
  return {
    dockerfile: basename(place.path),
    title: place.kind === 'local' ? path : title.replace(place.path, () => path),
    path: place.kind === 'local' ? path : undefined,
    read,
  };
}
