/** `--cache`: a cache that is read and written. In a module of its own, because every build asks. */

/** What is read and written, as `--cache-from` and `--cache-to` have it. */
export function bothWays(cache: string): { readonly from: string; readonly to: string } {
  const from = cache.includes('=') ? cache : `type=registry,ref=${cache}`;
  return { from, to: `${from},mode=max` };
}
