/**
 * Names of a stack of layers in another order than its directories have. As the lowest layer of an overlay
 * they decide in which order the overlay lists its directories: what is in the lowest layer comes first,
 * in the order of that. Everything else of a file comes from the topmost layer that has it.
 */
import { listAsStored } from '../directory.js';
import { pathBelow } from '../tree-path.js';
import { withWalkers } from '../walker.js';
import type { Stack } from './stack.js';

/** A directory by its names; undefined: something else. */
type Names = Map<string, Names | undefined>;

/** Names that the kernel can't be given at once are left out. */
const MAX_PATH = 1000;

/**
 * The order in which names have to be made, so that they are listed in another one than they were: of three
 * or more no matter whether the file system lists the newest name first or last, of two if it is first, as
 * tmpfs has it (but for Linux 6.6 to 6.13).
 */
export function shuffled<T>(items: readonly T[]): readonly T[] {
  if (items.length < 3) return items;
  const at = (odd: number) => items.filter((_, index) => index % 2 === odd);
  return [...at(1), ...at(0)];
}

function* pathsOf(directory: Names, prefix: string): Generator<string> {
  const names = shuffled([...directory]);
  for (const [name, below] of names) yield prefix + name + (below ? '/' : '');
  for (const [name, below] of names) if (below) yield* pathsOf(below, `${prefix}${name}/`);
}

/**
 * @param stack topmost first
 * @param most more names than this take longer than they are worth
 * @returns relative paths, directories with a slash behind them and before what is in them; undefined when
 *   there are too many
 */
export function shuffledNames(stack: Stack, most: number): string[] | undefined {
  const root: Names = new Map();
  let count = 0;
  withWalkers((walkers) => {
    const add = (layer: string, path: string, known: Names): void => {
      for (const { name, isDirectory } of listAsStored(walkers.at(layer, path))) {
        const below = pathBelow(path, name);
        if (below.length > MAX_PATH) continue;
        if (!known.has(name)) count += 1;
        if (count > most) return;
        const inside = isDirectory ? (known.get(name) ?? new Map()) : undefined;
        // A whiteout is no directory either: what it hides stays hidden, whatever it is here.
        known.set(name, inside);
        if (inside) add(layer, below, inside);
      }
    };
    for (const { path } of [...stack].reverse()) add(path, '', root);
  });
  return count > most ? undefined : [...pathsOf(root, '')];
}
