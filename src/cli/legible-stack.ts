/** Where in src/ an internal error came up. */
import { readFileSync } from 'node:fs';
import { SourceMap, type SourceMapPayload, type SourceMapping } from 'node:module';
import { fileURLToPath } from 'node:url';

/** @types/node does not say that it finds nothing where there is nothing. */
type Entry = Partial<SourceMapping>;

/** @returns undefined where the bundle has no map: wiac is published without */
function readMap(bundle: string): SourceMap | undefined {
  try {
    const text = readFileSync(`${bundle}.map`, 'utf8');
    return new SourceMap(JSON.parse(text) as SourceMapPayload);
  } catch {
    return undefined;
  }
}

/**
 * A stack with places in the sources: in the bundle a line has a thousand functions, and their names are short.
 * @param stack of an Error. Its message may say anything: no other file than the bundle's is looked for.
 * @param bundle path of the file that runs
 */
export function legibleStack(stack: string, bundle = fileURLToPath(import.meta.url)): string {
  const map = stack.includes(`${bundle}:`) ? readMap(bundle) : undefined;
  if (!map) return stack;
  const [head = '', ...places] = stack.split(`${bundle}:`);
  const legible = places.map((rest) => {
    const [place, line, column] = /^(\d+):(\d+)/.exec(rest) ?? [];
    // Both count from 1 in a stack, and from 0 in a map.
    const entry: Entry = map.findEntry(Number(line) - 1, Number(column) - 1);
    const { originalSource, originalLine = 0, originalColumn = 0 } = entry;
    if (place === undefined || originalSource === undefined) return `${bundle}:${rest}`;
    const source = originalSource.replace(/^(\.\.\/)+/, '');
    return `${source}:${originalLine + 1}:${originalColumn + 1}${rest.slice(place.length)}`;
  });
  return [head, ...legible].join('');
}
