/** Looking into the cache, and sharing it between processes. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { warmMachines } from '../support/warm-command.js';
import type { Machine } from '../support/wiac.js';
import { context, dockerfile, mountsBelow, ranSteps, WIAC } from '../support/wiac.js';

const machine = warmMachines();

interface Entry {
  readonly key: string;
  readonly text: string;
  readonly layer: string;
  readonly bytes: number;
}

async function list({ wiac }: Machine, ...flags: string[]): Promise<Entry[]> {
  const { stdout } = await wiac(['cache', 'ls', '--format', 'json', ...flags]);
  return JSON.parse(stdout) as Entry[];
}

const LINES = dockerfile('RUN echo one > /one', 'RUN printf %1000s x > /two');

async function filled(): Promise<Machine & { readonly path: string }> {
  const made = machine();
  const path = context({ Dockerfile: LINES });
  await made.build(path);
  return { ...made, path };
}

describe('cache ls', () => {
  test('a table, newest first', async () => {
    const { wiac } = await filled();
    const lines = (await wiac(['cache', 'ls'])).stdout.trimEnd().split('\n');
    expect(lines[0]).toMatch(/^KEY +AGE +USED +HITS +TOOK +FILES +SIZE +INSTRUCTION$/);
    expect(lines).toHaveLength(4);
    expect(lines[1]).toContain('RUN printf');
  });

  test.each([
    [['--filter', 'ECHO'], ['RUN echo one > /one']],
    [['--larger', '1M'], ['COPY bin /bin']],
    [['--smaller', '500'], ['RUN echo one > /one']],
    [['--older', '1h'], []],
    [['--unused', '1d'], []],
    [
      ['--newer', '1h', '--filter', 'run'],
      ['RUN printf %1000s x > /two', 'RUN echo one > /one'],
    ],
  ])('%j', async (flags, expected) => {
    const entries = await list(await filled(), ...flags);
    expect(entries.map(({ text }) => text)).toEqual(expected);
  });

  test('a filter that means nothing is refused', async () => {
    const { exitCode, stderr } = await machine().wiac(['cache', 'ls', '--older', 'yesterday']);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('--older yesterday');
  });
});

describe('cache show, du, rm', () => {
  test('show names everything that went into the key, and the files', async () => {
    const made = await filled();
    const [entry] = await list(made, '--filter', 'echo one');
    const { stdout } = await made.wiac(['cache', 'show', entry?.key.slice(0, 10) ?? '']);
    for (const text of [
      entry?.key,
      'RUN echo one > /one',
      'operand argv',
      'operand env',
      'operand user',
      'operand workdir',
      'platform',
      'linux/',
      'parent ',
      'f0644',
      'one',
    ]) {
      expect(stdout).toContain(text);
    }
    const json = JSON.parse(
      (await made.wiac(['cache', 'show', '--format', 'json', entry?.key ?? ''])).stdout,
    );
    expect(json.inputs.operands.argv).toEqual(['/bin/sh', '-c', 'echo one > /one']);
    expect(json.files).toEqual([expect.objectContaining({ path: 'one', size: 4 })]);
  });

  test('show of a COPY lists what it selected', async () => {
    const made = await filled();
    const [entry] = await list(made, '--filter', 'copy');
    const { stdout } = await made.wiac(['cache', 'show', entry?.key ?? '']);
    expect(stdout).toMatch(/files directory +[0-9a-f]{64} bin/);
    expect(stdout).toContain('bin/sh -> busybox');
  });

  test('a key that is not there, or not one', async () => {
    const { wiac } = await filled();
    expect(await wiac(['cache', 'show', 'ffff0000ffff'])).toMatchObject({ exitCode: 10 });
    expect((await wiac(['cache', 'show', ''])).stderr).toContain('several keys');
  });

  test('du counts entries, layers and bytes', async () => {
    const made = await filled();
    const entries = await list(made);
    const usage = JSON.parse((await made.wiac(['cache', 'du', '--format', 'json'])).stdout);
    const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
    expect(usage).toMatchObject({
      root: made.root,
      entries: 3,
      layers: 3,
      images: 0,
      bytes,
      blobBytes: 0,
      mounts: [],
      reclaimableBytes: usage.diskBytes,
    });
  });

  test('rm removes entry and layer; the step runs again', async () => {
    const made = await filled();
    const [entry] = await list(made, '--filter', 'printf');
    expect((await made.wiac(['cache', 'rm', entry?.key ?? ''])).stdout).toBe(
      `removed ${entry?.key}\n`,
    );
    expect(existsSync(join(made.root, 'layers', entry?.layer ?? ''))).toBe(false);
    expect(ranSteps((await made.build(made.path)).events)).toEqual(['RUN printf %1000s x > /two']);
  });

  test('rm keeps a layer that an image or another layer needs', async () => {
    const made = await filled();
    await made.build(made.path, '-t', 'kept');
    for (const text of ['printf', 'copy']) {
      const [entry] = await list(made, '--filter', text);
      expect((await made.wiac(['cache', 'rm', entry?.key ?? ''])).stdout).toContain('still needed');
      expect(existsSync(join(made.root, 'layers', entry?.layer ?? ''))).toBe(true);
    }
    expect((await made.wiac(['run', 'kept', '/bin/cat', '/one'])).stdout).toBe('one\n');
  });
});

describe('what follows a removed entry', () => {
  /** A stage that is copied from, and a stage of several steps; each RUN has another result each time. */
  const STAGES = [
    dockerfile('RUN cat /proc/sys/kernel/random/uuid > /made').replace(
      'scratch',
      'scratch AS made',
    ),
    dockerfile(
      'WORKDIR /made/here',
      'COPY --from=made /made .',
      'RUN cat /proc/sys/kernel/random/uuid > two',
      'ENV A=b',
      'RUN cat /proc/sys/kernel/random/uuid > three',
    ),
  ].join('\n');

  async function without(...texts: string[]) {
    const made = machine();
    const path = context({ Dockerfile: STAGES });
    const { lowerdirs } = await made.build(path, '-t', 'image');
    for (const text of texts) {
      const [entry] = await list(made, '--filter', text);
      expect((await made.wiac(['cache', 'rm', entry?.key ?? ''])).exitCode).toBe(0);
    }
    return { ...made, path, lowerdirs };
  }

  test('a stage that is only copied from is not missed', async () => {
    const made = await without('uuid > /made');
    const again = await made.build(made.path);
    expect(ranSteps(again.events)).toEqual([]);
    expect(again.lowerdirs).toBe(made.lowerdirs);
    const { stdout } = await made.wiac(['plan', made.path]);
    expect(stdout.split('\n').filter((line) => / unneeded /.test(line))).toHaveLength(1);
    // The step that copies from it has to run: now it is needed.
    writeFileSync(join(made.path, 'Dockerfile'), STAGES.replace('/made .', '/made /elsewhere'));
    const texts = ranSteps((await made.build(made.path)).events);
    expect(texts[0]).toBe('RUN cat /proc/sys/kernel/random/uuid > /made');
    expect(texts).toHaveLength(4);
  });

  test.each([
    ['a RUN', ['uuid > two']],
    ['WORKDIR', ['WORKDIR']],
    ['WORKDIR, COPY and what it copied', ['uuid > /made', 'WORKDIR', 'COPY --from']],
    ['all but the last', ['uuid > /made', 'WORKDIR', 'COPY --from', 'uuid > two']],
  ])('%s of the result: nothing runs, and the image is the same', async (_, texts) => {
    const made = await without(...texts);
    const getDigest = async (name: string) => {
      await made.wiac(['push', name, `oci-layout://${made.root}-layout:${name}`]);
      return (await made.wiac(['inspect', '--format', '{{json .History}}', name])).stdout;
    };
    const before = await getDigest('image');
    const again = await made.build(made.path, '-t', 'again');
    expect(ranSteps(again.events)).toEqual([]);
    expect(again.lowerdirs).toBe(made.lowerdirs);
    expect(await getDigest('again')).toBe(before);
  });

  test('--no-cache makes a stage again, and what was copied from the former one is stale', async () => {
    const made = await without();
    const { events } = await made.build(made.path, '--target=made', '--no-cache');
    expect(ranSteps(events)).toHaveLength(2);
    expect(ranSteps((await made.build(made.path)).events)).toEqual([
      'COPY --from=made /made .',
      'RUN cat /proc/sys/kernel/random/uuid > two',
      'RUN cat /proc/sys/kernel/random/uuid > three',
    ]);
  });

  const COUNT = (from: string, to: string) => `RUN cat ${from} > ${to}`;
  const RANDOM = COUNT('/proc/sys/kernel/random/uuid', '/a');
  test.each([
    ['a chain', `FROM a AS b\n${COUNT('/a', '/b')}`, COUNT('/a', '/b')],
    ['a COPY', 'FROM sh AS b\nCOPY --from=a /a /b', 'COPY --from=a'],
    [
      'a bind mount',
      `FROM sh AS b\nRUN --mount=from=a,target=/m cat /m/a > /b`,
      'RUN --mount=from=a',
    ],
  ])('%s: a step below it was made again, and the one between is gone', async (_, b, between) => {
    const made = machine();
    const last = `FROM b AS c\n${COUNT('/b', '/c')}`;
    const sh = dockerfile().replace('scratch', 'scratch AS sh').trimEnd();
    const path = context({ Dockerfile: [sh, 'FROM sh AS a', RANDOM, b, last, ''].join('\n') });
    await made.build(path, '-t', 'image');
    const [entry] = await list(made, '--filter', between);
    expect((await made.wiac(['cache', 'rm', entry?.key ?? ''])).exitCode).toBe(0);
    await made.build(path, '--target=a', '--no-cache-filter=a', '-t', 'a');
    expect(ranSteps((await made.build(path, '-t', 'image')).events)).toHaveLength(2);
    const read = async (name: string, file: string) =>
      (await made.wiac(['run', name, '/bin/cat', file])).stdout;
    expect(await read('image', '/c')).toBe(await read('a', '/a'));
  });

  test('variables in another order: a step that is found shows what it would show', async () => {
    const path = (env: string) =>
      context({
        Dockerfile: dockerfile(`ENV ${env}`, 'RUN ["busybox", "cp", "/proc/self/environ", "/e"]'),
      });
    const [warm, cold] = [machine(), machine()];
    const shown = async ({ build }: Machine, env: string) =>
      readFileSync(join((await build(path(env))).lowerdirs.split(':')[0] ?? '', 'e'), 'utf8');
    await shown(warm, 'B=1 A=2');
    expect(await shown(warm, 'A=2 B=1')).toBe(await shown(cold, 'A=2 B=1'));
  });

  test('a directory that is mounted has another mode: what reads it runs again', async () => {
    const made = machine();
    const lines = (mode: string) => {
      const sh = dockerfile().replace('scratch', 'scratch AS sh').trimEnd();
      const a = `FROM sh AS a\nRUN mkdir -m ${mode} /d`;
      const b = 'FROM sh\nRUN --mount=from=a,source=d,target=/m stat -c %a /m > /b';
      return [sh, a, b, ''].join('\n');
    };
    const path = context({ Dockerfile: lines('700') });
    await made.build(path, '-t', 'image');
    writeFileSync(join(path, 'Dockerfile'), lines('750'));
    await made.build(path, '-t', 'image');
    expect((await made.wiac(['run', 'image', '/bin/cat', '/b'])).stdout).toBe('750\n');
  });
});

describe('plan', () => {
  test('text: hit and miss, before and after a change', async () => {
    const made = await filled();
    const statuses = async () =>
      (await made.wiac(['plan', made.path])).stdout
        .trimEnd()
        .split('\n')
        .map((line) => line.split(/ +/)[1]);
    expect(await statuses()).toEqual(['-', 'hit', 'hit', 'hit']);
    writeFileSync(join(made.path, 'Dockerfile'), LINES.replace('one', 'ONE'));
    expect(await statuses()).toEqual(['-', 'hit', 'miss', 'miss?']);
    expect(await statuses()).toEqual(['-', 'hit', 'miss', 'miss?']);
  });

  test('json has the keys that cache ls has; dot is understood by graphviz', async () => {
    const made = await filled();
    const { steps } = JSON.parse((await made.wiac(['plan', '--format', 'json', made.path])).stdout);
    const keys = steps.map(({ key }: { key: string | null }) => key).filter(Boolean);
    expect(keys.sort()).toEqual((await list(made)).map(({ key }) => key).sort());
    const { stdout } = await made.wiac(['plan', '--format', 'dot', made.path]);
    await execa('dot', ['-Tsvg'], { input: stdout });
    expect(stdout).toContain('s1 -> s2');
  });
});

describe('several processes', () => {
  test('two builds at once run every step once', async () => {
    const made = machine();
    const path = context({ Dockerfile: dockerfile('RUN sleep 1; echo made > /made') });
    const results = await Promise.all([made.build(path), made.build(path)]);
    const ran = results.flatMap(({ events }) => ranSteps(events)).sort();
    expect(ran).toEqual(['COPY bin /bin', 'RUN sleep 1; echo made > /made']);
    expect(results[0]?.lowerdirs).toBe(results[1]?.lowerdirs);
  });

  test('kill -9 in the middle of a step: nothing is mounted, the next build works and clears up', async () => {
    const made = machine();
    const path = context({
      Dockerfile: dockerfile('RUN --mount=type=tmpfs,target=/m echo ready; sleep 76543'),
    });
    const child = execa(process.execPath, [WIAC, 'build', '--progress=json', path], {
      env: { WIAC_ROOT: made.root },
      reject: false,
    });
    await new Promise<void>((resume) => {
      child.stderr.on('data', (data: Buffer) => {
        if (data.toString().includes('"text":"ready"')) resume();
      });
    });
    // The step before is published a moment after this one has begun.
    while (readdirSync(join(made.root, 'tmp')).length > 4)
      await new Promise((resume) => setTimeout(resume, 10));
    child.kill('SIGKILL');
    await child;
    expect(mountsBelow(made.root)).toEqual([]);
    expect((await execa('pgrep', ['-f', 'sleep 76543'], { reject: false })).stdout).toBe('');
    // Its draft and the one for the step behind it, what its containers shared, and its notes of records.
    expect(readdirSync(join(made.root, 'tmp'))).toHaveLength(4);
    writeFileSync(join(path, 'Dockerfile'), dockerfile('RUN true'));
    expect(ranSteps((await made.build(path)).events)).toEqual(['RUN true']);
    expect(readdirSync(join(made.root, 'tmp'))).toEqual([]);
  });
});
