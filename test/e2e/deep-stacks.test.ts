/**
 * More layers than usual images have: the lowest ones are mounted once, and steps stand on that mount. What
 * a step sees, and what it leaves, is what it would be on the layers themselves.
 */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { getMachine, MODES, stepOutput, wiacAs } from '../support/rootless.js';
import { context, dockerfile, mountsBelow } from '../support/wiac.js';

/** With the programs of busybox that the usual base has no links to. */
const all = (script: string) =>
  script.replace(/\b(grep|stat|sort|wc|ln|mv|chmod|rm) /g, '/bin/busybox $1 ');

/** What layers in the middle remove, or put in the place of something else, from those below. */
const REMOVALS = new Map([
  [62, ' && rm /file20 && rm -r /gone && mkdir /gone && echo 62 > /gone/new'],
  [70, ' && rm /file21 /file65 && mkdir /file65'],
  [90, ' && rm /file22 /file71 && rm -r /gone/new && mkdir /gone/new && echo 90 > /gone/new/in'],
  [104, ' && rm /file23 /file91'],
]);

const LOST =
  'for n in 20 21 22 23 71 91; do [ ! -e /file$n ] || exit 9; done; for d in /file65 /gone /gone/new; do ls -A $d; done';

/** Steps that each leave a layer; the first one makes what the last ones change. */
const LAYERS = [
  'mkdir -p /old/in /hidden /gone && echo low > /old/file && ln /old/file /old/name && echo h > /hidden/low',
  ...Array.from({ length: 110 }, (_, at) => `echo ${at} > /file${at}${REMOVALS.get(at) ?? ''}`),
  LOST,
  // They lie in the mount and above it: on one device, as tar and du take it.
  'stat -c %d / /old/file /file1 /file80 /file109 | sort -u | wc -l',
  "grep '^overlay / ' /proc/mounts | grep -c xino=on",
  'rm /file3 && rm -r /hidden && mkdir /hidden && echo more >> /old/name && chmod 700 /file5 && mv /file6 /new',
  '[ ! -e /file3 ] && ls -A /hidden && cat /old/file /old/name && stat -c %a /file5 && cat /new /file4',
];

/** Of the names of one file, the one that was written to was copied up: as it is on plain layers. */
const SEEN = ['new', 'in', '1', '1', 'low', 'low', 'more', '700', '6', '4'];

/** Of the result, which is mounted on its layers themselves. */
const LOOK =
  'ls -A /hidden; cat /old/file /old/name; ls /file3 /file6 2>/dev/null; stat -c %a /file5; cat /new /file109';

test.each(MODES)('$user, $isolation: a step on a mount of its lowest layers', async (mode) => {
  const { user, isolation } = mode;
  const made = getMachine(user);
  const path = context({ Dockerfile: dockerfile(...LAYERS.map((line) => `RUN ${all(line)}`)) });
  const flags = [`--isolation=${isolation}`];
  expect(await stepOutput(made, path, flags)).toEqual(SEEN);
  expect(mountsBelow(made.root)).toEqual([]);
  chmodSync(path, 0o755);
  const { stdout } = await wiacAs(made, ['build', '-q', path]);
  const run = await wiacAs(made, [
    'run',
    stdout.trim(),
    `${made.tmp}/c`,
    '/bin/sh',
    '-c',
    all(LOOK),
  ]);
  expect(run.stdout.split('\n').filter(Boolean)).toEqual(['low', 'low', 'more', '700', '6', '109']);
});

test.each(MODES)(
  '$user, $isolation: a program on more directories than one overlay takes',
  async (mode) => {
    const { user, isolation } = mode;
    const made = getMachine(user);
    const path = context({ Dockerfile: dockerfile() });
    chmodSync(path, 0o755);
    const { stdout: base } = await wiacAs(made, ['build', '-q', path]);
    const layers = Array.from({ length: 600 }, (_, at) => `${made.tmp}/l${at}/diff`);
    for (const [at, layer] of layers.entries()) {
      mkdirSync(layer, { recursive: true });
      writeFileSync(`${layer}/file${at}`, '');
      writeFileSync(`${layer}/file`, `${at}\n`);
    }
    // What is below a file is hidden, whatever is above it.
    mkdirSync(`${layers[100]}/kind/low`, { recursive: true });
    writeFileSync(`${layers[300]}/kind`, '');
    mkdirSync(`${layers[400]}/kind/high`, { recursive: true });
    const lowerdirs = [...layers.reverse(), base.trim()].join(':');
    const script =
      'ls -d /file?* | /bin/busybox wc -l; cat /file; rm /file0 /file; ls -d /file?* | /bin/busybox wc -l; ls /kind';
    const flags = ['run', `--isolation=${isolation}`, lowerdirs, `${made.tmp}/c`];
    const run = await wiacAs(made, [...flags, '/bin/sh', '-c', script]);
    expect([run.stderr, ...run.stdout.split('\n')]).toEqual(['', '600', '599', '599', 'high']);
  },
);
