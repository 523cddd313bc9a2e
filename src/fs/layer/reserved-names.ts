/** Names that an archive of a layer has for whiteouts (image-spec layer.md): no file may have one. */

import { WHITEOUT_PREFIX } from '../../oci/tar/member-name.js';
import type { SourceLocation } from '../../util/errors.js';
import { DockerfileError } from '../../util/errors.js';
import type { LayerMarks } from '../scan/tree-xattrs.js';
import { surveyLayer, surveyTold } from '../scan/tree-xattrs.js';
import type { TreeMeasures } from './disk-usage.js';

/** @throws DockerfileError when a part of a path that a step makes has such a name */
export function refuseWhiteoutPath(path: string, location: SourceLocation): void {
  const name = path.split('/').find((part) => part.startsWith(WHITEOUT_PREFIX));
  if (name === undefined) return;
  throw new DockerfileError(
    `/${path} can't be made: in an image the name ${name} means that ${name.slice(WHITEOUT_PREFIX.length)} is removed`,
    location,
    {
      hint: 'choose another name: those that begin with .wh. are reserved (OCI image-spec, layer.md)',
    },
  );
}

/**
 * Measures what a program or a repository has left in a layer, and reads its marks.
 * @param told what wiac-sys has read of the layer; undefined: it is read now
 * @throws DockerfileError for a name that would mean a removal once the image is pushed: the file
 *   would be lost then, and another one with it; the file system's errors, IsolationError
 */
export async function measureLayer(
  path: string,
  location: SourceLocation,
  told?: Buffer | undefined,
): Promise<TreeMeasures & LayerMarks> {
  const survey = told
    ? surveyTold(told, WHITEOUT_PREFIX)
    : await surveyLayer(path, { measure: true, prefix: WHITEOUT_PREFIX });
  const { opaque, withoutXattrs, totals, named } = survey;
  const [name] = named;
  if (name !== undefined)
    throw new DockerfileError(
      `the step makes a file ${name}: in an image its name means that ${name.slice(WHITEOUT_PREFIX.length)} is removed`,
      location,
      { hint: 'give the file another name, or remove it before the step ends' },
    );
  return { files: totals.entries, bytes: totals.bytes, disk: totals.disk, opaque, withoutXattrs };
}
