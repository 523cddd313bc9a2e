// One file of 20,000 has changed: in a context that has been there for a while, in one that was written anew a
// moment ago, as a checkout is, and while another program's data is not on disk yet.
import { execFileSync } from 'node:child_process';
import { appendFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { filesContext } from '../contexts.js';
import { time } from '../harness.js';
import { ofBuildKit, seconds, target } from '../table.js';

const MOST = 600;
const OTHERS = 500_000_000;
export const within = (times) => target('<= 0.6 s', seconds(times.wiac), times.wiac <= MOST);

/** A context of 20,000 files that each builder has built; a function that changes one of them. */
export async function builtContext({ builders, directory }, name) {
  const context = directory(name);
  filesContext(context);
  // Files younger than the clock's step are read once more; a real checkout is older than that.
  await new Promise((resume) => setTimeout(resume, 200));
  for (const builder of Object.values(builders)) time(builder.build(context, { store: name }));
  let changes = 0;
  const change = () => {
    changes += 1;
    appendFileSync(join(context, 'src/folder7/file7.txt'), `change ${changes} of ${name}\n`);
  };
  return { context, change };
}

export async function measure(bench) {
  const { work, builds } = bench;
  const store = 'changed';
  const { context, change } = await builtContext(bench, store);
  const changed = builds(
    (builder) => {
      change();
      return builder.build(context, { store });
    },
    {
      others: {
        cp: (round) => ({ command: 'cp', args: ['-a', context, join(work, `changed-${round}`)] }),
      },
    },
  );

  // The old tree stays: new files are slow where others were removed.
  let trees = 0;
  const source = join(context, 'src');
  const written = builds(
    (builder) => {
      trees += 1;
      execFileSync('mv', [source, join(work, `before-${trees}`)]);
      execFileSync('cp', ['-r', join(work, `before-${trees}`), source]);
      change();
      return builder.build(context, { store });
    },
    { dirty: true },
  );

  const others = join(work, 'others');
  const beside = builds(
    (builder) => {
      change();
      rmSync(others, { force: true });
      execFileSync('sync');
      writeFileSync(others, Buffer.alloc(OTHERS, 'x'));
      return builder.build(context, { store });
    },
    {
      dirty: true,
      only: ['wiac', 'buildkit'],
    },
  );
  return {
    rows: [
      {
        title: '20,000 files, one changed',
        times: changed,
        beside: `cp -a: ${seconds(changed.cp)}`,
        targets: [...ofBuildKit(changed, 0.15), within(changed)],
      },
      {
        title: 'the same, all files just written',
        times: written,
        targets: [...ofBuildKit(written, 0.15), within(written)],
      },
      {
        title: 'one changed, 500 MB of others just written',
        times: beside,
        targets: [...ofBuildKit(beside, 0.15), within(beside)],
      },
    ],
  };
}
