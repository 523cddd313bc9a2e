/** `wiac run` with the options of docker run: files, variables, users, names, rights. */
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { warmMachines } from '../support/warm-command.js';
import type { Result } from '../support/wiac.js';
import { context, dockerfile, tempDir, writeTree } from '../support/wiac.js';

const machine = warmMachines();

/** Runs a shell script in an image with `flags`; the image has the user bob and the group staff. */
type Run = (
  flags: readonly string[],
  script: string,
  env?: Record<string, string>,
) => Promise<Result>;

interface Prepared {
  readonly run: Run;
  readonly cwd: string;
  readonly wiac: ReturnType<typeof machine>['wiac'];
}

async function prepare(...lines: string[]): Promise<Prepared> {
  const { wiac, build } = machine();
  const files = {
    Dockerfile: dockerfile('RUN ln -s busybox /bin/wc', 'COPY etc /etc', ...lines),
    'etc/passwd': 'root:x:0:0::/root:/bin/sh\nbob:x:1000:1000::/home/bob:/bin/sh\n',
    'etc/group': 'root:x:0:\nbob:x:1000:\nstaff:x:50:\nvideo:x:44:bob\n',
  };
  await build(context(files), '-t', 'app');
  const cwd = tempDir();
  const run: Run = (flags, script, env = {}) =>
    wiac(['run', ...flags, 'app', '/bin/sh', '-c', script], { cwd, env });
  return { run, cwd, wiac };
}

const lines = ({ stdout }: Result) => stdout.trimEnd().split('\n');

describe('files', () => {
  test('-v shows a directory or a file, read-only with :ro, and makes what is missing', async () => {
    const { run, cwd } = await prepare();
    writeTree(cwd, { 'data/in': 'mine\n', file: 'one\n' });
    const flags = ['-v', './data:/data', '-v', `${cwd}/file:/etc/one:ro`, '-v', './new/dir:/new'];
    const script =
      'cat /data/in /etc/one; echo out > /data/out; echo x > /new/x; echo y >> /etc/one';
    const result = await run(flags, script);
    expect(result).toMatchObject({ exitCode: 1, stdout: 'mine\none\n' });
    expect(result.stderr).toContain("can't create /etc/one: Read-only file system");
    expect(readFileSync(join(cwd, 'data/out'), 'utf8')).toBe('out\n');
    expect(readdirSync(join(cwd, 'new/dir'))).toEqual(['x']);
    expect(readFileSync(join(cwd, 'file'), 'utf8')).toBe('one\n');
  });

  test('--mount type=bind, also over a symbolic link of the image, which leads into the image', async () => {
    const { run, cwd } = await prepare('RUN ln -s /inside /link && mkdir /inside');
    writeTree(cwd, { 'data/in': 'mine\n' });
    const mount = 'type=bind,"source=./data",target=/link,readonly';
    const { stdout } = await run(['--mount', mount], 'cat /inside/in; echo x > /link/x || echo no');
    expect(stdout).toBe('mine\nno\n');
  });

  test('--tmpfs and --mount type=tmpfs: as docker, rw,noexec,nosuid,nodev', async () => {
    const { run } = await prepare();
    const flags = ['--tmpfs', '/a', '--tmpfs=/b:size=1m,mode=700,exec,ro'];
    const mount = ['--mount', 'type=tmpfs,dst=/c,tmpfs-size=2m,tmpfs-mode=1770'];
    const result = await run(
      [...flags, ...mount],
      "grep '/[abc] ' /proc/mounts; stat -c %a /a /b /c",
    );
    const [a, b, c, ...modes] = lines(result);
    expect(a).toMatch(/^tmpfs \/a tmpfs rw,nosuid,nodev,noexec,/);
    expect(b).toMatch(/^tmpfs \/b tmpfs ro,nosuid,nodev,relatime,size=1024k,mode=700/);
    expect(c).toMatch(/^tmpfs \/c tmpfs rw,nosuid,nodev,noexec,.*size=2048k,mode=1770/);
    expect(modes).toEqual(['1777', '700', '1770']);
  });

  test('mounts in others, and in /dev', async () => {
    const { run, cwd } = await prepare();
    writeTree(cwd, { inner: 'x\n' });
    const flags = ['-v', './inner:/t/deep/inner', '--tmpfs', '/t', '-v', './inner:/dev/inner'];
    const shm = ['--tmpfs', '/dev/shm:size=3m', '--shm-size', '1g'];
    const { stdout } = await run(
      [...flags, ...shm],
      'cat /t/deep/inner /dev/inner; grep -c shm /proc/mounts',
    );
    expect(stdout).toBe('x\nx\n2\n');
    expect(() => statSync('/dev/inner')).toThrow('ENOENT');
  });

  test('--read-only: only what is mounted can be written to; -w is made all the same', async () => {
    const { run } = await prepare();
    const script =
      'pwd; for d in / /work /t /dev/shm; do (echo x > $d/x) 2> /dev/null && echo $d; done; true';
    const { stdout } = await run(['--read-only', '-w', '/work', '--tmpfs', '/t'], script);
    expect(stdout).toBe('/work\n/t\n/dev/shm\n');
  });

  test('--read-only keeps what is mounted over a directory with --isolation=chroot too', async () => {
    const { run } = await prepare();
    const flags = ['--isolation=chroot', '--read-only'];
    expect((await run(flags, 'echo x > /x')).stderr).toContain('Read-only file system');
  });

  test.each([
    [['-v', 'data:/data'], 'there is no volume data'],
    [['-v', '/data'], 'names no directory of this machine'],
    [['-v', './data:data'], 'no absolute path'],
    [['-v', './data:/'], 'would hide the whole image'],
    [['-v', './data:/d:ro:z'], 'too many colons'],
    [['-v', './data:/d:U'], 'the option U'],
    [['--mount', 'src=data,dst=/d'], 'no mounts of the type volume'],
    [['--mount', 'type=bind,src=./nosuch,dst=/d'], 'there is no ./nosuch'],
    [['--mount', 'type=bind,src=.,dst=/d,volume-nocopy'], 'does not know volume-nocopy'],
    [['--mount', 'type=bind,src=.'], 'no absolute path'],
    [['--tmpfs', '/t:size=1m,what'], 'no option what'],
    [['-v', '.:/d', '--tmpfs', '/d/'], 'two mounts at /d'],
  ])('refused: %j', async (flags, message) => {
    const { run, cwd } = await prepare();
    const result = await run(flags, 'echo ran');
    expect(result).toMatchObject({ exitCode: 125, stdout: '' });
    expect(result.stderr).toContain(message);
    expect(readdirSync(cwd)).toEqual([]);
  });
});

describe('variables', () => {
  test('--env-file as docker reads it, -e counts more, the image least', async () => {
    const { run, cwd } = await prepare('ENV A=image B=image C=image D=image');
    const file =
      '\uFEFF# comment\n\n  B=file # no comment\nC="quoted"\r\nFROM_HERE\nNOT_HERE\nEMPTY=\nD=file\n';
    writeTree(cwd, { file });
    const flags = ['--env-file', 'file', '-e', 'D=given', '-e', 'X=a=b'];
    const result = await run(flags, 'env', { FROM_HERE: 'here' });
    const variables = lines(result).filter(
      (line) => !/^(PATH|HOME|HOSTNAME|PWD|SHLVL)=/.test(line),
    );
    expect(variables.sort()).toEqual([
      'A=image',
      'B=file # no comment',
      'C="quoted"',
      'D=given',
      'EMPTY=',
      'FROM_HERE=here',
      'X=a=b',
    ]);
  });

  test('-e NAME takes the value of this environment, and the variable away where there is none', async () => {
    const { run } = await prepare('ENV A=image B=image');
    const { stdout } = await run(['-e', 'A', '-e', 'B'], 'echo "$A ${B-unset}"', { A: 'here' });
    expect(stdout).toBe('here unset\n');
  });

  test.each([
    ['=x\n', 'line 1 has no name'],
    ['A=1\nexport B=2\n', 'line 2: the name export B has a blank in it'],
  ])('--env-file with %j', async (file, message) => {
    const { run, cwd } = await prepare();
    writeTree(cwd, { file });
    const result = await run(['--env-file', 'file'], 'echo ran');
    expect(result).toMatchObject({ exitCode: 125, stdout: '' });
    expect(result.stderr).toContain(message);
    const { stderr } = await run(['--env-file', 'nosuch'], '');
    expect(stderr).toContain('--env-file nosuch: there is no such file\nhint: check');
  });
});

describe('who and where', () => {
  test.each([
    [['-u', 'bob'], '1000 1000 1000 44'],
    [['-u', 'bob:staff'], '1000 50 50'],
    [['-u', '7'], '7 0 0'],
    [['-u', '7', '--group-add', 'video', '--group-add', '99'], '7 0 0 44 99'],
  ])('%j', async (flags, expected) => {
    const { run } = await prepare();
    const { stdout } = await run(flags, 'echo $(id -u) $(id -g) $(id -G)');
    const [uid, gid, ...groups] = stdout.trim().split(' ');
    const [expectedUid, expectedGid, ...expectedGroups] = expected.split(' ');
    expect([uid, gid]).toEqual([expectedUid, expectedGid]);
    expect(groups.sort()).toEqual(expectedGroups.sort());
  });

  test.each([
    [['-u', 'nobody'], 'user nobody is not in'],
    [['-u', 'bob:nosuch'], 'group nosuch is not in'],
    [['--group-add', 'nosuch'], 'group nosuch is not in'],
    [['-w', 'relative'], 'no absolute path'],
  ])('refused: %j', async (flags, message) => {
    const { run } = await prepare();
    const result = await run(flags, 'echo ran');
    expect(result).toMatchObject({ exitCode: 125, stdout: '' });
    expect(result.stderr).toContain(message);
  });

  test('-w is made when it is missing', async () => {
    const { run } = await prepare();
    expect((await run(['-w', '/a/b', '-u', 'bob'], 'pwd; stat -c "%u %a" .')).stdout).toBe(
      '/a/b\n0 755\n',
    );
    // As a script writes it whose variable is empty.
    expect((await run(['-w', '', '-h', ''], 'pwd')).stdout).toBe('/\n');
    expect((await run(['-w', '/bin/busybox/x'], '')).stderr).toContain('is in its way');
  });

  test("--entrypoint: a program, none at all with '', a list as podman takes it", async () => {
    const { wiac } = await prepare('ENTRYPOINT ["/bin/echo", "entry"]', 'CMD ["cmd"]');
    expect((await wiac(['run', 'app'])).stdout).toBe('entry cmd\n');
    expect((await wiac(['run', '--entrypoint', '', 'app', '/bin/echo', 'x'])).stdout).toBe('x\n');
    const list = ['--entrypoint', '["/bin/echo", "a b"]'];
    expect((await wiac(['run', ...list, 'app', 'c'])).stdout).toBe('a b c\n');
    expect((await wiac(['run', '--entrypoint', '', 'app'])).stderr).toContain(
      'neither ENTRYPOINT nor CMD',
    );
  });
});

describe('names', () => {
  test('-h, --add-host, --dns, --dns-search, --dns-option', async () => {
    const { run } = await prepare();
    const flags = ['-h', 'the_box', '--add-host', 'db:10.0.0.7', '--dns', '10.0.0.1'];
    const more = ['--dns=10.0.0.2', '--dns-search', 'example.org', '--dns-option', 'ndots:2'];
    const result = await run(
      [...flags, ...more],
      'echo $HOSTNAME; cat /etc/hosts /etc/resolv.conf',
    );
    const [name, ...rest] = lines(result);
    expect(name).toBe('the_box');
    expect(rest).toEqual(expect.arrayContaining(['10.0.0.7\tdb', '127.0.1.1\tthe_box']));
    expect(rest.filter((line) => line.startsWith('nameserver'))).toEqual([
      'nameserver 10.0.0.1',
      'nameserver 10.0.0.2',
    ]);
    expect(rest).toEqual(expect.arrayContaining(['search example.org', 'options ndots:2']));
  });

  test("the host name is this machine's when none is given", async () => {
    const { run } = await prepare();
    expect((await run([], 'hostname; echo $HOSTNAME')).stdout).toBe(`${hostname()}\n`.repeat(2));
    expect((await run(['-e', 'HOSTNAME=given'], 'echo $HOSTNAME')).stdout).toBe('given\n');
  });
});

describe('rights', () => {
  const STATUS = "grep -e CapBnd -e NoNewPrivs -e 'Seccomp:' /proc/self/status";

  test.each([
    [[], '00000000a80425fb', 0, 2],
    [['--cap-drop=ALL', '--cap-add=CAP_NET_ADMIN,chown'], '0000000000001001', 0, 2],
    [['--cap-drop', 'CHOWN', '--cap-drop', 'net_raw'], '00000000a80405fa', 0, 2],
    [['--cap-add=ALL', '--cap-drop=SYS_ADMIN,CHOWN'], '000001ffffdffffe', 0, 2],
    [['--security-opt', 'no-new-privileges'], '00000000a80425fb', 1, 2],
    [['--security-opt=seccomp=unconfined'], '00000000a80425fb', 0, 0],
  ])('%j', async (flags, capabilities, noNewPrivileges, seccomp) => {
    const { run } = await prepare();
    const most = BigInt(`0x${(await run(['--privileged'], STATUS)).stdout.split(/\s+/)[1]}`);
    const result = await run(flags, STATUS);
    // The kernel or whoever started wiac may have taken some away.
    const expected = (BigInt(`0x${capabilities}`) & most).toString(16).padStart(16, '0');
    expect(lines(result)).toEqual([
      `CapBnd:\t${expected}`,
      `NoNewPrivs:\t${noNewPrivileges}`,
      `Seccomp:\t${seccomp}`,
    ]);
  });

  test('--security-opt seccomp=FILE: a profile of the user', async () => {
    const { run, cwd } = await prepare();
    const mkdir = { names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 28 };
    const profile = { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [mkdir] };
    writeTree(cwd, { 'profile.json': JSON.stringify(profile) });
    const flags = ['--security-opt', 'seccomp=profile.json'];
    const script = 'mkdir /new; echo $?';
    const { stdout, stderr } = await run(flags, script);
    expect(stdout).toBe('1\n');
    expect(stderr).toContain('No space left on device');
    const builtin = await run([...flags, '--security-opt', 'seccomp=builtin'], script);
    expect(builtin.stdout).toBe('0\n');
  });

  test('--privileged has all devices of this machine; --device one of them', async () => {
    const { run } = await prepare();
    const there = 'for d in /dev/full /dev/kmsg /dev/sub/log; do test -e $d && echo $d; done; true';
    expect((await run([], there)).stdout).toBe('/dev/full\n');
    expect((await run(['--privileged'], there)).stdout).toBe('/dev/full\n/dev/kmsg\n');
    const device = ['--device', '/dev/kmsg', '--device', '/dev/zero:/dev/sub/log:rw'];
    expect((await run(device, there)).stdout).toBe('/dev/full\n/dev/kmsg\n/dev/sub/log\n');
    const read = await run(
      device,
      'test $(head -c 5 /dev/sub/log | wc -c) = 5 && stat -c %t:%T /dev/sub/log',
    );
    expect(read).toEqual({ exitCode: 0, stdout: '1:5\n', stderr: '' });
  });

  test('--init: a process 1 that waits for orphans; signals and exit codes as without', async () => {
    const { run } = await prepare();
    const orphan = '(sleep 0.2 &); sleep 1; ps -o pid,stat | grep -c Z';
    expect(await run(['--init'], `echo $$; ${orphan}; exit 7`)).toMatchObject({
      exitCode: 7,
      stdout: '2\n0\n',
    });
    // Process 1 itself can send itself no signal that ends it.
    expect((await run(['--init'], 'kill -TERM $$')).exitCode).toBe(143);
  });

  test('--ulimit', async () => {
    const { run } = await prepare();
    expect((await run(['--ulimit', 'nofile=111:222'], 'ulimit -Sn; ulimit -Hn')).stdout).toBe(
      '111\n222\n',
    );
  });

  test.each([
    [['--cap-add', 'NOSUCH'], 'there is no capability NOSUCH'],
    [['--device', '/etc/passwd:/dev/x'], 'that is no device'],
    [['--device', '/dev/null:/x'], 'has to be below /dev'],
    [['--device', '/dev/null:/dev/x:r'], "can't give it with r alone"],
    [['--security-opt', 'seccomp=none.json'], 'seccomp=none.json: there is no such file'],
    [['--security-opt', 'seccomp=/etc/passwd'], 'it is no profile: '],
    [['--security-opt', 'selinux=on'], "can't do that"],
    [['--ulimit', 'nofile=2:1'], 'the soft limit is above the hard one'],
    [['--dns', 'one'], 'that is no address'],
    [['--hostname', 'a b'], 'no host name'],
    [['--isolation=chroot', '--cap-drop=ALL'], '--cap-drop: with --isolation=chroot'],
    [['--isolation=chroot', '--init'], '--init: with --isolation=chroot'],
  ])('refused: %j', async (flags, message) => {
    const { run } = await prepare();
    const result = await run(flags, 'echo ran');
    expect(result).toMatchObject({ exitCode: 125, stdout: '' });
    expect(result.stderr).toContain(message);
  });
});

describe('what is so in any case, and what is not to be had', () => {
  test('-i, --rm, -it without its terminal, and combined letters', async () => {
    const { wiac } = await prepare();
    const cat = await wiac(['run', '-i', '--rm=true', 'app', '/bin/cat'], { input: 'through\n' });
    expect(cat).toEqual({ exitCode: 0, stdout: 'through\n', stderr: '' });
    const both = await wiac(['run', '-iw', '/tmp', 'app', '/bin/pwd']);
    expect(both.stdout).toBe('/tmp\n');
    const refused = await wiac(['run', '-it', 'app', '/bin/cat'], { input: 'x' });
    expect(refused).toMatchObject({ exitCode: 125, stdout: '' });
    expect(refused.stderr).toContain('standard input is no terminal');
  });

  test('-t gives a terminal where wiac has none', async () => {
    const { run } = await prepare();
    const script = 'tty; echo $TERM; for i in 0 1 2; do test -t $i && echo $i >&2; done';
    const { stdout, stderr } = await run(['-t'], script);
    expect({ stdout, stderr }).toEqual({
      stdout: '/dev/pts/0\r\nxterm\r\n0\r\n1\r\n2\r\n',
      stderr: '',
    });
    expect((await run([], 'test -t 1 || echo none')).stdout).toBe('none\n');
  });

  test.each([
    [['--name', 'x'], '--name changes nothing'],
    [['-p', '8080:8080', '-p', '127.0.0.1:53:53/udp'], '--publish changes nothing'],
    [['-P'], '--publish changes nothing'],
    [['-l', 'a=b'], '--label changes nothing'],
  ])('one line: %j', async (flags, message) => {
    const { run } = await prepare();
    const result = await run(flags, 'echo ran');
    expect(result).toMatchObject({ exitCode: 0, stdout: 'ran\n' });
    expect(result.stderr).toMatch(new RegExp(`^wiac: warning: ${message}: .*\n$`));
  });

  test.each([
    [['-d'], 'no daemon'],
    [['--restart', 'always'], 'no daemon is there to start it again'],
    [['-p', '8080:80'], 'its own port'],
    [['-p', '80:80', '--network=none'], 'no port can be reached'],
    [['--network', 'bridge'], 'Allowed choices are host, none'],
    [['--link', 'db'], 'no other containers'],
    [['--sysctl', 'net.core.somaxconn=1'], 'changes no settings of the kernel'],
    [['--gpus', 'all'], '--device'],
    [['--pid=host'], 'one of its own'],
    [['--nosuch'], "unknown option '--nosuch'"],
  ])('refused: %j', async (flags, message) => {
    const { run } = await prepare();
    const result = await run(flags, 'echo ran');
    expect(result).toMatchObject({ exitCode: 125, stdout: '' });
    expect(result.stderr).toContain(message);
  });

  test('options of images are refused for directories, and --rm where something is kept', async () => {
    const { wiac, cwd } = await prepare();
    mkdirSync(join(cwd, 'a'));
    for (const flag of ['--entrypoint=/x', '--platform=linux/amd64', '--layer=./l', '--rm']) {
      const { exitCode, stderr } = await wiac(['run', flag, './a', './c', '/x'], { cwd });
      expect(exitCode).toBe(125);
      expect(stderr).toContain(flag.split('=')[0]);
    }
    const layer = await wiac(['run', '--rm', '--layer', './l', 'app', '/bin/true'], { cwd });
    expect(layer.stderr).toContain('--rm: what the program writes is to stay');
    expect(readdirSync(cwd)).toEqual(['a']);
  });
});
