/** What a proxy answered that makes no tunnel. undici has it in the words of an error alone. */

const WORDS = /^Proxy response \((\d{3})\)/;

/** @returns the status of its answer; undefined for an error of another kind */
export function proxyStatus(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined;
  const status = WORDS.exec(error.message)?.[1];
  return status === undefined ? proxyStatus(error.cause) : Number(status);
}
