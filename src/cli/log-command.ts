/** `wiac log` */
import { readBuild } from '../engine/history/read-builds.js';
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

const STILL_RUNS = 'the build still runs: wiac log -f waits for more';
const NO_END = 'the build has no end: it was killed, the machine went down, or the disk was full';

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
    let hasEnd = false;
    await interruptibly(async (signal) => {
      for await (const row of readBuild(store, header.id, { follow, signal })) {
        filter.pass(row).forEach(print);
        hasEnd ||= row.type === 'result';
      }
    });
    if (!filter.found())
      throw new NotFoundError(`the build ${header.id} has no step ${wanted}`, {
        hint: 'write a name such as [0 2/4], an id, or the beginning of an instruction',
      });
    // Who reads JSON sees that there is no result.
    if (hasEnd || json) return;
    process.stderr.write(`wiac: ${status === 'running' && !follow ? STILL_RUNS : NO_END}\n`);
  });
}

function namedStep(wanted: string) {
  return (step: Parameters<typeof selects>[1] & { readonly name: string }) =>
    selects(wanted, step, step.name);
}
