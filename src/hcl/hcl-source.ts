/** Text that is read as HCL, and places in it. */
import type { SourceLocation } from '../util/errors.js';
import { BakeFileError } from '../util/errors.js';

/** A text, and how a place in it is told to people. */
export interface HclSource {
  readonly text: string;
  readonly locate: (start: number, end: number) => SourceLocation;
}

/** From `start` up to `end`, in UTF-16 units. */
export interface Place {
  readonly source: HclSource;
  readonly start: number;
  readonly end: number;
}

/** A file. */
export function fileSource(file: string, text: string): HclSource {
  const lineAt = (offset: number) => text.slice(0, offset).split('\n').length;
  return {
    text,
    locate: (start, end) => ({
      file,
      line: lineAt(start),
      column: start - text.lastIndexOf('\n', start - 1),
      endLine: lineAt(Math.max(start, end - 1)),
    }),
  };
}

/** Text that stands in another file in another form, such as a string of JSON. */
export function quotedSource(text: string, place: Place): HclSource {
  return { text, locate: () => getLocation(place) };
}

/** The place as people are told it. */
export function getLocation({ source, start, end }: Place): SourceLocation {
  return source.locate(start, end);
}

/** An error of a place. */
export function hclError(message: string, place: Place, hint?: string): BakeFileError {
  return new BakeFileError(message, getLocation(place), { hint });
}
