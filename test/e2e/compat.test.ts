/** docs/compat.md says what wiac does with each option and instruction: here it is asked. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { insteadOf } from '../../src/cli/declare/refused.js';
import { createProgram } from '../../src/cli/program.js';
import { flagNames } from '../../src/dockerfile/flags.js';
import { instructionKinds } from '../../src/dockerfile/instructions.js';
import { warmMachines } from '../support/warm-command.js';
import { context, dockerfile } from '../support/wiac.js';

const machine = warmMachines();

/** Options of each program's build, by their manuals; those of a word here are long. */
const OPTIONS: Readonly<Record<string, string>> = {
  buildx: `add-host allow annotation attest build-arg build-context builder cache-from cache-to call
    cgroup-parent check debug file iidfile label load metadata-file network no-cache no-cache-filter
    output platform policy progress provenance pull push quiet sbom secret shm-size ssh tag target
    ulimit`,
  docker: `add-host build-arg cache-from cgroup-parent compress cpu-period cpu-quota cpu-shares
    cpuset-cpus cpuset-mems disable-content-trust file force-rm iidfile isolation label memory
    memory-swap network no-cache platform pull quiet rm security-opt shm-size squash tag target
    ulimit`,
  buildah: `add-host all-platforms annotation arch authfile build-arg build-arg-file build-context
    cache-from cache-to cache-ttl cap-add cap-drop cert-dir cgroup-parent cgroupns compat-volumes
    compress compression-format compression-level cpp-flag cpu-period cpu-quota cpu-shares
    cpuset-cpus cpuset-mems created-annotation creds cw decryption-key device disable-compression
    disable-content-trust dns dns-option dns-search env file force-compression force-rm format from
    group-add hooks-dir http-proxy identity-label ignorefile iidfile iidfile-raw raw-iidfile
    inherit-annotations inherit-labels ipc isolation jobs label layer-label layers logfile logsplit
    manifest memory memory-swap metadata-file mount net network no-cache no-cache-filter no-hostname
    no-hosts omit-history os os-feature os-version output pid platform pull quiet retry retry-delay
    rewrite-timestamp rm runtime runtime-flag save-stages sbom sbom-image-output
    sbom-image-purl-output sbom-merge-strategy sbom-output sbom-purl-output sbom-scanner-command
    sbom-scanner-image secret security-opt shm-size sign-by skip-unused-stages source-date-epoch
    source-policy-file squash ssh stage-labels stdin tag target timestamp tls-verify ulimit
    unsetannotation unsetenv unsetlabel userns userns-gid-map userns-gid-map-group userns-uid-map
    userns-uid-map-user uts variant volume`,
  podman: 'squash-all',
};

/** Rows of a table, each with its cells as plain text. */
function rows(heading: string): string[][] {
  const [, section = ''] = readFileSync('docs/compat.md', 'utf8').split(`## ${heading}\n`);
  const [text = ''] = section.split('\n## ');
  return text
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .slice(1, -1)
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim().replaceAll('\\|', '|')),
    );
}

interface Row {
  /** Without dashes. */
  readonly name: string;
  readonly flags: readonly string[];
  readonly of: readonly string[];
  readonly answer: string;
  readonly why: string;
}

const TABLE = rows('Options of build').map(([flags = '', of = '', answer = '', why = '']): Row => {
  const words = flags.replaceAll('`', '').split(', ');
  return { name: words[0]?.slice(2) ?? '', flags: words, of: of.split(', '), answer, why };
});

const build = createProgram(() => {}, 'build').commands[0];
const declared = new Set(build?.options.flatMap(({ long, short }) => [long, short]));
const takesValue = new Set(
  build?.options.flatMap(({ long, required }) => (required && long ? [long] : [])),
);

function expectRefusal(command: string, flag: string, why: string): void {
  const program = createProgram(() => {}, command);
  const parse = () => program.parse([command, flag, 'x', '.'], { from: 'user' });
  const message = `wiac ${command} has no ${flag}`;
  expect(parse).toThrow(expect.objectContaining({ code: 'USAGE', message, hint: why }));
}

describe('options', () => {
  test('each of every program is in the table, with that program', () => {
    for (const [program, text] of Object.entries(OPTIONS)) {
      const listed = TABLE.filter(({ of }) => of.includes(program)).map(({ name }) => name);
      expect({ program, listed }).toEqual({ program, listed: text.trim().split(/\s+/).sort() });
    }
    const names = TABLE.map(({ name }) => name);
    expect(names).toEqual([...new Set(names)].sort());
    for (const { answer } of TABLE) expect(['yes', 'no-op', 'no']).toContain(answer);
  });

  test('buildah as it is installed has no others', async () => {
    const { stdout } = await execa('buildah', ['build', '--help']);
    const installed = [...stdout.matchAll(/^ {2,6}(?:-\w, )?--([\w-]+)/gm)].map(([, name]) => name);
    expect(installed.length).toBeGreaterThan(70);
    const known = [...(OPTIONS.buildah?.split(/\s+/) ?? []), 'help'];
    expect(installed.filter((name) => !known.includes(name ?? ''))).toEqual([]);
  });

  test.each(TABLE.filter(({ answer }) => answer !== 'no'))('$name is taken', ({ flags }) => {
    for (const flag of flags) expect([flag, declared.has(flag)]).toEqual([flag, true]);
  });

  test('each that is declared is in the table', () => {
    const listed = TABLE.filter(({ answer }) => answer !== 'no').flatMap(({ flags }) => flags);
    const others = [...declared].filter((flag) => flag !== undefined && !listed.includes(flag));
    expect(others).toEqual([]);
  });

  test('those that change nothing say so, each in one line', async () => {
    const { wiac } = machine();
    const idle = TABLE.filter(({ answer }) => answer === 'no-op').map(({ name }) => `--${name}`);
    const words = idle.map((flag) => (takesValue.has(flag) ? `${flag}=true` : flag));
    const { exitCode, stderr } = await wiac([
      'build',
      ...words,
      context({ Dockerfile: dockerfile() }),
    ]);
    expect(exitCode).toBe(0);
    const said = [...stderr.matchAll(/(--[\w-]+) changes nothing/g)].map(([, flag]) => flag);
    expect(said.sort()).toEqual([...idle].sort());
  });

  test.each(TABLE.filter(({ answer }) => answer === 'no'))(
    '$name is refused with what the table says',
    ({ flags, why }) => {
      for (const flag of flags) {
        expectRefusal('build', flag, why);
      }
    },
  );

  test('with a value joined, and what nobody has', async () => {
    const { wiac } = machine();
    const joined = await wiac(['build', '--manifest=list', '.']);
    expect(joined).toMatchObject({
      exitCode: 2,
      stderr: expect.stringMatching(/wiac build has no --manifest\n.*imagetools/),
    });
    expect(insteadOf('build', '--nosuch')).toBeUndefined();
    const unknown = await wiac(['build', '--nosuch', '.']);
    expect(unknown.stderr).toContain("unknown option '--nosuch'");
    const elsewhere = await wiac(['push', '--manifest=list', 'a', 'b']);
    expect(elsewhere.stderr).toContain("unknown option '--manifest=list'");
  });
});

describe('options that say the usual', () => {
  test.each([
    ['--isolation=default'],
    ['--isolation=oci'],
    ['--isolation=rootless'],
    ['--skip-unused-stages'],
    ['--no-cache-filter=one --no-cache-filter=two,three'],
  ])('%s', async (flags) => {
    const { wiac } = machine();
    const root = context({ Dockerfile: dockerfile('RUN echo 1') });
    const { exitCode, stderr } = await wiac(['build', ...flags.split(' '), root]);
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
  });

  test.each([
    ['--isolation=hyperv', 'Allowed choices are namespaces, chroot'],
    ['--skip-unused-stages=false', 'never builds'],
    ['-f=a -f=b', 'There is one already'],
  ])('%s is refused', async (flags, message) => {
    const { wiac } = machine();
    const { exitCode, stderr } = await wiac(['build', ...flags.split(' '), '.']);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining(message)]);
  });

  test('--shm-size=0 is the usual size, not one without a limit', async () => {
    const { build: run } = machine();
    const root = context({ Dockerfile: dockerfile('RUN stat -f -c %b /dev/shm') });
    const sizes = [];
    for (const flags of [[], ['--shm-size=0', '--no-cache'], ['--shm-size=1m', '--no-cache']])
      sizes.push((await run(root, ...flags)).events.find(({ type }) => type === 'output')?.text);
    expect(sizes).toEqual(['16384', '16384', '256']);
  });

  test('--no-cache-filter given again adds to the stages', async () => {
    const { build: run } = machine();
    const stages = ['a', 'b', 'c'].flatMap((name) => [`FROM base AS ${name}`, `RUN echo ${name}`]);
    const root = context({
      Dockerfile: ['FROM scratch AS base', 'COPY bin /bin', ...stages, 'FROM scratch']
        .concat(['a', 'b', 'c'].map((name) => `COPY --from=${name} /bin/busybox /${name}`))
        .concat('')
        .join('\n'),
    });
    await run(root);
    const { events } = await run(root, '--no-cache-filter=a', '--no-cache-filter', 'b');
    const ran = events.flatMap(({ type, text }) => (type === 'output' ? [text] : []));
    expect(ran.sort()).toEqual(['a', 'b']);
  });
});

/** Options of docker run, by its manual. */
const OF_RUN = `add-host annotation attach blkio-weight blkio-weight-device cap-add cap-drop cgroup-parent
  cgroupns cidfile cpu-period cpu-quota cpu-rt-period cpu-rt-runtime cpu-shares cpus cpuset-cpus
  cpuset-mems detach detach-keys device device-cgroup-rule device-read-bps device-read-iops
  device-write-bps device-write-iops disable-content-trust dns dns-option dns-search domainname
  entrypoint env env-file expose gpus group-add health-cmd health-interval health-retries
  health-start-interval health-start-period health-timeout hostname init interactive ip ip6 ipc
  isolation kernel-memory label label-file link link-local-ip log-driver log-opt mac-address memory
  memory-reservation memory-swap memory-swappiness mount name network network-alias no-healthcheck
  oom-kill-disable oom-score-adj pid pids-limit platform privileged publish publish-all pull quiet
  read-only restart rm runtime security-opt shm-size sig-proxy stop-signal stop-timeout storage-opt
  sysctl tmpfs tty ulimit user userns uts volume volume-driver volumes-from workdir`;

describe('options of run', () => {
  const run = createProgram(() => {}).commands.find((command) => command.name() === 'run');
  const all = new Set(run?.options.flatMap(({ long, short }) => [long, short].filter(Boolean)));
  const table = rows('Options of `docker run`').map(([flags = '', answer = '', why = '']) => ({
    flags: flags.replaceAll('`', '').split(', '),
    answer,
    why,
  }));
  const listed = table.flatMap(({ flags }) => flags);
  const lacking = table.filter(({ flags }) => !flags.some((flag) => all.has(flag)));

  test('those that are declared are in the table, and all of docker run', () => {
    expect(listed.filter((flag) => all.has(flag)).sort()).toEqual([...all].sort());
    expect(OF_RUN.split(/\s+/).filter((name) => !listed.includes(`--${name}`))).toEqual([]);
  });

  test('those that change nothing say so, each in one line', async () => {
    const idle = table.filter(({ answer }) => answer === 'no-op');
    const words = idle.flatMap(({ flags }) => {
      const option = run?.options.find(({ long }) => long === flags.at(-1));
      // The one that is looked at before: its ports have to be the same.
      return option?.required ? [`${option.long}=80:80`] : [option?.long ?? ''];
    });
    const { stderr } = await machine().wiac(['run', ...words, '--pull=never', 'nosuch']);
    const said = [...stderr.matchAll(/(--[\w-]+) changes nothing/g)].map(([, flag]) => flag);
    const expected = idle.map(({ flags }) => flags.at(-1)?.replace('-all', ''));
    expect(said.sort()).toEqual([...new Set(expected)].sort());
  });

  test.each(lacking)('$flags is refused with what the table says', ({ flags, answer, why }) => {
    expect(answer).toBe('no');
    for (const flag of flags) expectRefusal('run', flag, why);
  });

  const ofPodman = rows('Options of `podman run` alone').map(([flags = '', answer, why = '']) => ({
    flags: flags.replaceAll('`', ''),
    answer,
    why,
  }));

  test('podman run as it is installed has no others', async () => {
    const { stdout } = await execa('podman', ['run', '--help']);
    const installed = [...stdout.matchAll(/^ {2,6}(?:-\w, )?(--[\w-]+)/gm)].map(([, name]) => name);
    expect(installed.length).toBeGreaterThan(100);
    const known = [...listed, ...ofPodman.map(({ flags }) => flags), '--help'];
    expect(installed.filter((name) => !known.includes(name ?? ''))).toEqual([]);
  });

  test.each(ofPodman)('$flags of podman is refused with what the table says', ({ flags, why }) => {
    expect(all.has(flags)).toBe(false);
    expectRefusal('run', flags, why);
  });
});

test('instructions and their flags are those of the parser', () => {
  const table = rows('Instructions of a Dockerfile').map(([name = '', answer]) => ({
    name: name.replaceAll('`', ''),
    answer,
  }));
  const known = instructionKinds().flatMap((kind) => {
    const keyword = kind.toUpperCase();
    return [keyword, ...flagNames(kind).map((flag) => `${keyword} --${flag}`)];
  });
  // RUN --device is read, to be refused with a message of its own.
  const read = table.filter(({ name, answer }) => answer === 'yes' || name === 'RUN --device');
  expect(read.map(({ name }) => name).sort()).toEqual([...known].sort());
});

test('instructions that are not there are refused', async () => {
  const { wiac } = machine();
  for (const [line, exitCode] of [
    ['RUN --device=x true', 9],
    ['FROM --after=x scratch', 3],
  ] as const) {
    const root = context({ Dockerfile: dockerfile(line) });
    expect([line, (await wiac(['build', root])).exitCode]).toEqual([line, exitCode]);
  }
});
