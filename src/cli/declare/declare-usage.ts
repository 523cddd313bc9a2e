/** The usage lines of the article's script, which are ours: in --help, and in hints of errors. */
export const USAGES = {
  copy: '<layerdir> <src>... <dst>',
  run: '<lowerdirN>[:...:<lowerdir1>] <containerlayer> <entrypoint...>',
  build: '<path>',
} as const;

function isKnown(name: string | undefined): name is keyof typeof USAGES {
  return name !== undefined && name in USAGES;
}

/** How a command is used, in one line. @returns undefined for a command that the script has not */
export function getUsage(name: string | undefined): string | undefined {
  return isKnown(name) ? `wiac ${name} ${USAGES[name]}` : undefined;
}
