/** What reading from elsewhere takes. */
import type { Readable } from 'node:stream';
import type { ExpansionLimits } from '../../oci/tar/expansion-limit.js';
import type { DockerfileRequest } from '../request.js';
import type { Meter } from '../transfers.js';

/** Where contexts from elsewhere are put for as long as a command needs them. */
export interface Workspace {
  /** A directory in the store's tmp/, which is removed on every way out. */
  readonly scratch: () => string;
  readonly limits: ExpansionLimits;
  /** Proxies, and what git may know. */
  readonly environment: NodeJS.ProcessEnv;
  /** The agents that repositories may be fetched with, by id. */
  readonly sshAgent?: DockerfileRequest['sshAgent'];
  /** Gives what `-` stands for; undefined: there is no such input. */
  readonly input: (() => Readable) | undefined;
  /** Ends what is on its way. */
  readonly signal: AbortSignal;
  /** Counts what comes. */
  readonly meter: Meter;
}
