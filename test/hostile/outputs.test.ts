/** Results that are written where others can use them. */
import { chmodSync, existsSync, lstatSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { getMachine, wiacAs } from '../support/rootless.js';
import { context, dockerfile, machine, tempDir } from '../support/wiac.js';

/** Owner and mode of programs that run as their owner or group. */
const PROGRAMS: readonly [name: string, owner: string, mode: string][] = [
  ['own', '0:0', '6755'],
  ['user', '5:0', '6755'],
  ['group', '0:5', '6755'],
  ['both', '5:5', '7755'],
];
const make = PROGRAMS.map(([name, owner, mode]) => {
  const path = `/made/${name}`;
  return `echo x >${path} && chown ${owner} ${path} && chmod ${mode} ${path}`;
});

test.each([
  ['root', { own: '6755', user: '2755', group: '4755', both: '1755' }],
  ['ordinary', { own: '755', user: '755', group: '755', both: '1755' }],
] as const)('a program runs as nobody who did not own it: %s', async (user, expected) => {
  const made = getMachine(user);
  const root = context({
    Dockerfile: `${dockerfile(`RUN mkdir -m 2755 /made && ${make.join(' && ')}`)}RUN ln /made/both /made/link\n`,
  });
  chmodSync(root, 0o755);
  const dest = join(made.tmp, 'out');
  const flags = ['-o', `type=local,dest=${dest}`];
  expect(await wiacAs(made, ['build', ...flags, root])).toMatchObject({ exitCode: 0 });
  const modeOf = (name: string) => (lstatSync(join(dest, name)).mode & 0o7777).toString(8);
  const modes = PROGRAMS.map(([name]) => [name, modeOf(`made/${name}`)]);
  expect(Object.fromEntries(modes)).toEqual(expected);
  expect([modeOf('made'), modeOf('made/link')]).toEqual(['2755', expected.both]);
});

test.each([
  ['local', ''],
  ['local', '/l'],
  ['tar', '/index/data.mdb'],
  ['oci', '/new/archive'],
  ['oci,tar=false', '/blobs'],
])('nothing is written into the store: type=%s, %s', async (type, place) => {
  const { root: store, wiac } = machine();
  const root = context({ Dockerfile: dockerfile() });
  const link = join(tempDir(), 'link');
  symlinkSync(store, link);
  for (const path of [store, link]) {
    const result = await wiac(['build', '-o', `type=${type},dest=${path}${place}`, root]);
    expect(result).toMatchObject({ exitCode: 2, stdout: '' });
    expect(result.stderr).toContain(`--output: ${path}${place} is in the store ${store}`);
  }
  expect(await wiac(['cache', 'verify'])).toMatchObject({ exitCode: 0 });
  expect(existsSync(join(store, 'new'))).toBe(false);
});
