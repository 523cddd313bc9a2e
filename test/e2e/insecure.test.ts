/** RUN --security=insecure: what a step has that is trusted with the machine, and others have not. */
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { execa } from 'execa';
import { hostDevices } from '../../src/executor/local/devices.js';
import { RUNTIME_FLAGS } from '../support/rootless.js';
import { context, dockerfile, getOutput, machine } from '../support/wiac.js';

const LOOK = [
  'grep CapEff /proc/self/status',
  'for d in $(find /dev -type c -o -type b); do echo "$d $(stat -c %t:%T $d)"; done',
  'grep -c -e "^[^ ]* /proc/" /proc/mounts',
  'grep " /sys " /proc/mounts',
].join('; ');

test.each(RUNTIME_FLAGS)(
  'all capabilities, all devices, nothing hidden, /sys to be written to %s',
  async (...flags) => {
    const { build } = machine();
    const applets = 'RUN ln -s busybox /bin/find';
    const lines = [applets, `RUN --security=insecure ${LOOK}`, `RUN : sandbox; ${LOOK}`];
    const root = context({ Dockerfile: dockerfile(...lines) });
    const { events } = await build(root, '--allow=security.insecure', ...flags);
    const output = getOutput(events);
    const at = output.findLastIndex((line) => line.startsWith('CapEff'));
    const [insecure, sandbox] = [output.slice(0, at), output.slice(at)];
    const devices = (lines: readonly string[]) => lines.filter((line) => line.startsWith('/dev/'));
    const all = hostDevices().map(
      ({ path, major, minor }) => `/dev/${path} ${major.toString(16)}:${minor.toString(16)}`,
    );
    expect(devices(insecure)).toEqual(expect.arrayContaining(all));
    expect(all.some((line) => line === '/dev/loop0 7:0')).toBe(true);
    expect(
      devices(sandbox)
        .map((line) => line.split(' ')[0])
        .sort(),
    ).toEqual(
      ['full', 'null', 'ptmx', 'random', 'tty', 'urandom', 'zero']
        .map((name) => `/dev/${name}`)
        .filter((path) => path !== '/dev/ptmx')
        .concat(['/dev/pts/ptmx'])
        .sort(),
    );
    const [everything = 0n, some = 0n] = [insecure, sandbox].map((lines) =>
      BigInt(`0x${lines[0]?.split('\t')[1]}`),
    );
    const SYS_ADMIN = 1n << 21n;
    expect(everything & SYS_ADMIN).toBe(SYS_ADMIN);
    expect(some).toBe(0xa80425fbn & everything);
    expect(insecure).toContain('0');
    expect(insecure.at(-1)).toMatch(/^sysfs \/sys sysfs rw,/);
    expect(sandbox.at(-1)).toMatch(/^sysfs \/sys sysfs ro,/);
  },
);

test.each(RUNTIME_FLAGS)(
  'a device works: the image of a file system is mounted %s',
  async (...flags) => {
    const { build } = machine();
    const umount = 'RUN ln -s busybox /bin/umount';
    const mount =
      'RUN --security=insecure mkdir /m && mount -o loop /image /m && ls /m && umount /m';
    const root = context({ Dockerfile: dockerfile(umount, 'COPY image /', mount) });
    await execa('mkfs.ext2', ['-q', join(root, 'image'), '1m']);
    const { events } = await build(root, '--allow=security.insecure', ...flags);
    expect(getOutput(events)).toEqual(['lost+found']);
    expect((await execa('losetup', ['-a'])).stdout).not.toContain('/image');
  },
);

test('not without the entitlement', async () => {
  const { wiac } = machine();
  const root = context({ Dockerfile: dockerfile('RUN --security=insecure true') });
  const { exitCode, stderr } = await wiac(['build', root]);
  expect(exitCode).toBe(3);
  expect(stderr).toContain('--allow security.insecure');
});
