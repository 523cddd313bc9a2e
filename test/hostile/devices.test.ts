/** Devices, mounts and /sys: what of this machine a step can reach by them. */
import { chmodSync, readdirSync, statSync } from 'node:fs';
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { getMachine, MODES, RUNTIME_FLAGS, stepOutput } from '../support/rootless.js';
import { warmMachines } from '../support/warm-command.js';
import { context, dockerfile, getOutput, tempDir, WIAC } from '../support/wiac.js';

const machine = warmMachines();

const MOUNTS = [
  '--mount=type=cache,target=/cache',
  '--mount=type=bind,source=bin,target=/bind,rw',
  '--mount=type=tmpfs,target=/tmpfs',
].join(' ');

/** Makes devices in a directory and opens them: /dev/zero and a loop device. */
function openDevices(place: string): string {
  const node = `${place}/node`;
  const tries = ['c 1 5', 'b 7 0'].map(
    (device) =>
      `mknod ${node} ${device} && { (: < ${node}) && echo opened ${place} ${device}; rm ${node}; }`,
  );
  return tries.join('; ');
}

describe.each(MODES)('$user, $flag', ({ user, isolation, runtime, flag }) => {
  // With --isolation=chroot /dev is this machine's; its directories are no place for tests.
  const own = isolation === 'namespaces' ? ['/dev', '/dev/shm', '/dev/mqueue'] : [];
  const flags = [flag];

  test('no device that a step makes can be opened', async () => {
    const places = ['', '/cache', '/bind', '/tmpfs', ...own];
    const script = places.map(openDevices).join('\n');
    const root = context({
      Dockerfile: dockerfile(`RUN ${MOUNTS} <<EOF\n${script}\necho done\nEOF`),
    });
    await execa('ln', ['-s', 'busybox', join(root, 'bin/mknod')]);
    const lines = await stepOutput(getMachine(user), root, flags);
    expect(lines).toContain('done');
    // An OCI runtime's /dev has devices, made as any other: there the control group alone decides.
    const allowed = user === 'root' && runtime !== undefined ? ['opened /dev c 1 5'] : [];
    expect(lines.filter((line) => line.startsWith('opened'))).toEqual(allowed);
    // Who can't make any has not tested anything.
    const refusal = user === 'root' ? "can't open" : 'Operation not permitted';
    expect(lines.filter((line) => line.includes(refusal)).length).toBeGreaterThanOrEqual(
      isolation === 'chroot' ? 4 : 6,
    );
  });

  test('the devices of /dev work', async () => {
    const script = [
      'echo nothing > /dev/null',
      'cat /dev/null',
      ...['zero', 'random', 'urandom'].map(
        (name) => `test $(head -c 5 /dev/${name} | /bin/busybox wc -c) = 5`,
      ),
      '! echo full > /dev/full',
      // There is no terminal, and no other reason.
      '(: < /dev/tty) 2>&1 | grep "No such device or address"',
    ].join(' && ');
    const root = context({
      Dockerfile: dockerfile(`RUN ${script}`, 'USER 65534', `RUN ${script} #`),
    });
    await stepOutput(getMachine(user), root, flags);
  });

  test('what tells of other programs of this machine is empty', async () => {
    const paths = 'interrupts kcore keys timer_list sched_debug';
    const size = '$(head -c 3 $f 2>/dev/null | /bin/busybox wc -c)';
    const script = `cd /proc; for f in ${paths}; do test -e $f && echo $f ${size}; done; true`;
    const root = context({
      Dockerfile: dockerfile(`RUN ${script}`, 'USER 65534', `RUN ${script} #`),
    });
    const lines = await stepOutput(getMachine(user), root, flags);
    expect(lines.length).toBeGreaterThanOrEqual(6);
    // The article's chroot has this machine's own /proc.
    const full = isolation === 'chroot' ? expect.arrayContaining(['interrupts 3']) : [];
    expect(lines.filter((line) => !line.endsWith(' 0'))).toEqual(full);
  });

  test('/sys can be read only, with the control groups below it', async () => {
    // Opened for writing, nothing more: these are the files of this machine.
    const script = [
      "for file in $(/bin/busybox find /sys/fs/cgroup /sys/kernel -name 'cgroup.*' -o -name uevent_helper 2>/dev/null); do",
      '( : >> $file) 2>/dev/null && echo opened $file;',
      'done; grep " /sys" /proc/self/mounts',
    ].join(' ');
    const root = context({ Dockerfile: dockerfile(`RUN ${script}`) });
    const lines = await stepOutput(getMachine(user), root, flags);
    const [opened, mounts] = [
      lines.filter((line) => line.startsWith('opened')),
      lines.filter((line) => line.includes(' /sys')),
    ];
    expect(opened).toEqual([]);
    expect(mounts.length).toBeGreaterThan(0);
    for (const line of mounts.filter((mount) => !mount.includes(' /sys/firmware')))
      expect(line).toMatch(/ ro,nosuid,nodev,noexec/);
  });
});

test.each(RUNTIME_FLAGS)(
  'a container with --security=insecure may use devices that it makes %s',
  async (...flags) => {
    const script =
      'mknod /node c 1 5 && test $(head -c 3 /node | /bin/busybox wc -c) = 3 && echo works';
    const root = context({
      Dockerfile: dockerfile(`RUN --security=insecure /bin/busybox ${script}`),
    });
    const { events } = await machine().build(root, '--allow=security.insecure', ...flags);
    expect(getOutput(events)).toEqual(['works']);
  },
);

/** Version 2 sees to devices where version 1 does not. */
const VERSIONS = {
  1: [],
  2: ['unshare', '--mount', 'sh', '-ec', 'umount -l /sys/fs/cgroup/devices; exec "$@"', 'sh'],
};

test.each([1, 2] as const)(
  'a container that may mount can make no place for other devices: version %s',
  async (version) => {
    // Each version is to be tried, and this machine has to have it.
    expect(readdirSync('/sys/fs/cgroup')).toEqual(expect.arrayContaining(['devices', 'unified']));
    const made = machine();
    const root = context({ Dockerfile: dockerfile('RUN mkdir /mnt') });
    await symlink('busybox', join(root, 'bin/mknod'));
    await made.build(root, '-t', 'app');
    const [ours, machines] = ['c 1 5', 'b 7 0'];
    const open = (device: string) =>
      `mknod /mnt/n ${device} && (: < /mnt/n) 2>&1 && echo opened; rm -f /mnt/n`;
    const script = `mount -t tmpfs t /mnt; ${open(ours)}; ${open(machines)}; : < /dev/tty; : < /dev/null`;
    const run = async (...flags: string[]) => {
      const [program = '', ...args] = [...VERSIONS[version], process.execPath, WIAC, 'run'];
      const shell = ['app', '/bin/sh', '-c', script];
      const options = { env: { WIAC_ROOT: made.root }, reject: false } as const;
      const ran = await execa(program, [...args, '-t', ...flags, ...shell], options);
      return ran.stdout.split(/\r?\n/);
    };
    const refused = expect.stringContaining("can't open /mnt/n: Operation not permitted");
    expect(await run('--cap-add=SYS_ADMIN')).toEqual(['opened', refused]);
    const given = ['--cap-add=SYS_ADMIN', '--device=/dev/loop0'];
    expect(await run(...given)).toEqual(['opened', 'opened']);
    expect(await run('--privileged')).toEqual(['opened', 'opened']);
  },
);

test.each(RUNTIME_FLAGS)(
  "a step that changes its devices does not change this machine's %s",
  async (...flags) => {
    // A /dev/null that the build alone sees: crun changes the time of the machine's, whoever runs it.
    const node = join(tempDir(), 'null');
    await execa('mknod', [node, 'c', '1', '3']);
    chmodSync(node, 0o666);
    const changed = () => statSync(node, { bigint: true }).ctimeNs;
    const before = changed();
    const script =
      'chmod 666 /dev/null /dev/stdin && chown 0:0 /dev/null && chmod 666 /proc/keys; true';
    const root = context({ Dockerfile: dockerfile(`RUN ${script}`) });
    const isolated = `mount --bind ${node} /dev/null; exec "$@"`;
    const wiac = [process.execPath, WIAC, 'build', ...flags, root];
    const { stderr } = await execa('unshare', ['--mount', 'sh', '-ec', isolated, 'sh', ...wiac], {
      stdin: 'ignore',
      env: { WIAC_ROOT: machine().root },
    });
    expect(stderr).not.toMatch(/chmod: (?!.proc.keys)|chown:/);
    expect(changed()).toBe(before);
  },
);

/** wiac where all control groups are for reading. */
function withoutGroups(root: string, args: readonly string[]) {
  const script = `mount --bind -o ro /sys/fs/cgroup /sys/fs/cgroup; for d in /sys/fs/cgroup/*/; do mount -o remount,bind,ro $d 2> /dev/null; done; exec "$@"`;
  const command = ['-m', 'sh', '-c', script, 'sh', process.execPath, WIAC, ...args];
  return execa('unshare', command, { env: { WIAC_ROOT: root }, reject: false });
}

const REFUSED = /--runtime=\S+: nothing would keep its containers from this machine's devices: no /;

// In its /dev, and with crun everywhere, a device that a step makes can be opened.
test.each(['runc', 'crun'])(
  '%s is not used where no control group restricts devices',
  async (name) => {
    const { root } = machine();
    const made = context({ Dockerfile: dockerfile('RUN echo ran') });
    const flag = `--runtime=${name}`;
    const refused = await withoutGroups(root, ['build', flag, made]);
    expect(refused.exitCode).toBe(8);
    expect(refused.stderr).toMatch(REFUSED);
    expect((await withoutGroups(root, ['build', flag, '--memory=64m', made])).stderr).toContain(
      '--memory: no control group can be made here (/',
    );
    expect(await withoutGroups(root, ['build', made])).toMatchObject({ exitCode: 0 });
    const image = ['build', '-t', 'app', made];
    expect(await withoutGroups(root, image)).toMatchObject({ exitCode: 0 });
    const ran = await withoutGroups(root, ['run', flag, 'app', '/bin/echo', 'ran']);
    expect(ran).toMatchObject({ exitCode: 125, stdout: '' });
    expect(ran.stderr).toMatch(REFUSED);
  },
);

test('a link in a cache mount is no way for a mount to this machine', async () => {
  const made = machine();
  const outside = tempDir();
  const caches = ['one', 'two', 'three'].map((id) => `--mount=type=cache,id=${id},target=/${id}`);
  const first = dockerfile(`RUN ${caches.join(' ')} echo > /three/mark`);
  await made.build(context({ Dockerfile: first }));
  const mounts = join(made.root, 'mounts');
  const third = readdirSync(mounts).find((name) =>
    readdirSync(join(mounts, name)).includes('mark'),
  );
  // The second mount is to come over the directory of all caches, with a third one of its own.
  const prepare = `RUN ${caches.join(' ')} ln -s ${mounts} /one/link && ln -s ${outside} /two/${third}`;
  const attack = [
    '--mount=type=cache,id=one,target=/one',
    '--mount=type=cache,id=two,target=/one/link',
    '--mount=type=cache,id=three,target=/three',
  ];
  const root = context({
    Dockerfile: dockerfile(
      `RUN /bin/busybox mkdir -p ${mounts}`,
      prepare,
      `RUN ${attack.join(' ')} echo escaped > /three/escaped; ls /three`,
    ),
  });
  // Whoever writes to the cache could exchange the link at any moment: none is followed there.
  const { exitCode, stderr } = await made.wiac(['build', root]);
  expect(readdirSync(outside)).toEqual([]);
  expect({ exitCode, stderr }).toMatchObject({
    exitCode: 4,
    stderr: expect.stringContaining('nothing can be mounted at /one/link: Not a directory'),
  });
});
