/**
 * Content of a secret by its id; undefined when the build was given none of that id.
 * @param signal ends the wait for one that is not there yet
 */
export type GetSecret = (
  id: string,
  signal: AbortSignal,
) => Buffer | undefined | Promise<Buffer | undefined>;
