/** `--cache`: a cache that is read and written. In a module of its own, because every build asks. */

/**
 * What is read and written, as `--cache-from` and `--cache-to` have it.
 * @param signKey file with the private key that entries are signed with
 */
export function bothWays(
  cache: string,
  signKey?: string,
): { readonly from: string; readonly to: string } {
  const from = cache.includes('=') ? cache : `type=registry,ref=${cache}`;
  // In the quotes of CSV: the name of a file may have a comma.
  const signing = signKey === undefined ? '' : `,"sign-key=${signKey.replaceAll('"', '""')}"`;
  return { from, to: `${from},mode=max${signing}` };
}
