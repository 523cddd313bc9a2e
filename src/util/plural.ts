/** A number with its noun, for messages: `1 file`, `3 files`. */
export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${count} ${count === 1 ? one : many}`;
