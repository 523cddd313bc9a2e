/**
 * The containers of a build. What a container needs before its layers are known takes a third of the time that it takes
 * to make one: so that is done for the next one while a container runs, and its first process waits for the rest.
 */
import { ASK } from '../../native/frames.js';
import type { Reply, RequestIo, WaitingContainer, WiacSys } from '../../native/wiac-sys.js';
import type { ControlGroups } from './cgroup.js';
import type { Container } from './container.js';
import { readEnd } from './container-end.js';
import type { EarlyContainer } from './early-operations.js';
import { earlyContainer, waitingOperations } from './early-operations.js';
import { encodeContainer } from './encode-container.js';
import { remainingOperations } from './enter-operations.js';
import { encodeOperations } from './operations.js';

export interface ContainerPool {
  /**
   * Runs a container to its end.
   * @throws IsolationError as WiacSys.request
   */
  readonly run: (container: Container, io: RequestIo) => Promise<Reply>;
  /** Begins the next container, which is like this one but for its files, its program and what that may do. */
  readonly prepare: (container: Container) => void;
  /** Those that wait don't see what has been mounted in wiac-sys since they began: they are not used. */
  readonly forget: () => void;
  /** Ends the one that waits in these control groups, if there is one. */
  readonly vacate: (groups: ControlGroups) => Promise<void>;
  /** Ends all that nobody asked for. */
  readonly close: () => Promise<void>;
}

/** Of control groups that are used only once there are as many as steps. */
const MOST_ENCODED = 8;

interface Waiting {
  readonly container: WaitingContainer;
  /** The description that it began with, as a text. */
  readonly early: string;
  isUsable: boolean;
}

/** Those whose first operations differ in each container are made when they are needed. */
function canWait({ isolation, runtime, insecure, network, variation }: Container): boolean {
  const isUsual = isolation === 'namespaces' && !insecure && typeof network === 'string';
  return isUsual && runtime === undefined && variation === undefined;
}

/** Equal for equal descriptions. */
function asText(early: EarlyContainer): string {
  return `${JSON.stringify({ ...early, filter: undefined })} ${early.filter?.toString('latin1')}`;
}

/**
 * One that waited may have met a lack that is over by now (of memory, or processes). Its overlay was not mounted then:
 * the work directory of one that was can't be used again.
 */
function endedEarly(reply: Reply): boolean {
  return readEnd(reply).kind === 'early';
}

/** @param sys makes them */
export function containerPool(sys: WiacSys): ContainerPool {
  /** By their control groups: whoever is given these gets the container with them. */
  const all = new Map<string, Waiting>();
  const place = (cgroups: readonly string[]) => cgroups.join('\0');
  /** Operations by the descriptions that they are for: containers that follow each other have the same two. */
  const encoded = new Map<string, Buffer>();
  let closed = false;
  const take = (cgroups: readonly string[]): Waiting | undefined => {
    const found = all.get(place(cgroups));
    all.delete(place(cgroups));
    return found;
  };
  /** Lets one go on that waits. @returns undefined when there is none, or none that can */
  const goOn = async (container: Container, io: RequestIo): Promise<Reply | undefined> => {
    const found = take(container.cgroups);
    if (!found) return undefined;
    const isSame = () => asText(earlyContainer(container)) === found.early;
    if (!found.isUsable || !canWait(container) || !isSame()) {
      // It has to be gone from the control groups.
      await found.container.end();
      return undefined;
    }
    const written = Buffer.from(`${container.overlay.upper?.directory ?? ''}\0`);
    const rest = encodeOperations(remainingOperations(container));
    const reply = await found.container.goOn(Buffer.concat([written, rest]), io);
    return endedEarly(reply) ? undefined : reply;
  };
  return {
    async run(container, io) {
      const reply = await goOn(container, io);
      return reply ?? sys.request(ASK.run, encodeContainer(container, 'capture'), io);
    },
    prepare(container) {
      if (closed || !canWait(container) || all.has(place(container.cgroups))) return;
      const description = earlyContainer(container);
      const early = asText(description);
      const first = encoded.get(early) ?? encodeOperations(waitingOperations(description));
      if (encoded.size === MOST_ENCODED) encoded.clear();
      encoded.set(early, first);
      all.set(place(container.cgroups), {
        container: sys.beginWaiting(first),
        early,
        isUsable: true,
      });
    },
    forget() {
      for (const each of all.values()) each.isUsable = false;
    },
    async vacate({ members }) {
      await take(members)?.container.end();
    },
    async close() {
      closed = true;
      const left = [...all.values()];
      all.clear();
      await Promise.all(left.map(({ container }) => container.end()));
    },
  };
}
