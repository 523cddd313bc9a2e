/** The Dockerfile and places in it, as BuildKit's answers to subrequests have them. */
import type { Dockerfile } from '../dockerfile/ast.js';
import type { SourceLocation } from '../util/errors.js';

/** `pb.Location`: of the only source there is. */
export interface Location {
  readonly ranges: readonly {
    readonly start: { readonly line: number };
    readonly end: { readonly line: number };
  }[];
}

export function getLocation({ line, endLine }: SourceLocation): Location {
  return { ranges: [{ start: { line }, end: { line: endLine } }] };
}

/** The text of the Dockerfile in base64. */
export function getData({ lines }: Dockerfile): string {
  return Buffer.from(lines.join('\n')).toString('base64');
}
