/** `wiac log` */
import { readBuild } from '../engine/history/read-builds.js';
import type { BuildStatus } from '../engine/history/record.js';
import { selectBuild } from '../engine/history/select-build.js';
import { filterRows, logWriter } from '../ui/build-log.js';
import { NotFoundError } from '../util/errors.js';
import { interruptibly } from './abort-on-signal.js';
import { selects } from './select-step.js';
import { withStore } from './with-store.js';

/** As commander gives them. */
interface LogOptions {
  readonly failed: boolean;
  readonly follow: boolean;
  readonly json: boolean;
  readonly timestamps: boolean;
}

/** What the log itself does not say. */
function missingEnd(status: BuildStatus, isFollowed: boolean): string | undefined {
  if (status === 'running' && !isFollowed) return 'the build still runs: -f waits for more';
  if (status === 'killed')
    return 'the build has no end: it was killed, the machine went down, or the disk was full';
  return undefined;
}

/** `wiac log [BUILD] [STEP]` @throws NotFoundError, UsageError */
export function logCommand(
  text: string | undefined,
  wanted: string | undefined,
  { failed, follow, json, timestamps }: LogOptions,
): Promise<void> {
  return withStore(async (store) => {
    const { header, status } = await selectBuild(store, text ?? 'last', process.cwd());
    const write = (line: string) => void process.stdout.write(line);
    const print = json
      ? (row: object) => write(`${JSON.stringify(row)}\n`)
      : logWriter(write, header.started, timestamps);
    if (json) write(`${JSON.stringify(header)}\n`);
    const step = wanted === undefined ? undefined : namedStep(wanted);
    const filter = filterRows({ step, failed });
    await interruptibly(async (signal) => {
      for await (const row of readBuild(store, header.id, { follow, signal }))
        filter.pass(row).forEach(print);
    });
    if (!filter.found())
      throw new NotFoundError(`the build ${header.id} has no step ${wanted}`, {
        hint: 'write a name such as [0 2/4], an id, or the beginning of an instruction',
      });
    const note = missingEnd(status, follow);
    if (note !== undefined && !json) process.stderr.write(`wiac: ${note}\n`);
  });
}

function namedStep(wanted: string) {
  return (step: Parameters<typeof selects>[1] & { readonly name: string }) =>
    selects(wanted, step, step.name);
}
