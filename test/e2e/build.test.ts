/** RUN, stages, options of `wiac build`, and which steps run. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { warmMachines } from '../support/warm-command.js';
import { context, dockerfile, getOutput, ranSteps, tempDir } from '../support/wiac.js';

const machine = warmMachines();

describe('RUN', () => {
  test('shell form, exec form, SHELL, ENV, ARG, WORKDIR', async () => {
    const root = context({
      Dockerfile: dockerfile(
        'ARG WORD=default',
        'ENV NAME=env',
        'WORKDIR /some/where',
        'RUN echo shell $NAME $WORD $(pwd)',
        'RUN ["/bin/echo", "exec", "$NAME"]',
        'SHELL ["/bin/busybox", "echo", "own"]',
        'RUN shell',
      ),
    });
    const { events } = await machine().build(root, '--build-arg=WORD=given', '--jobs=1');
    expect(getOutput(events)).toEqual(['shell env given /some/where', 'exec $NAME', 'own shell']);
  });

  test('USER by name and number, its home and groups', async () => {
    const root = context({
      Dockerfile: dockerfile(
        "RUN mkdir -p /etc && printf 'app:x:1000:1001::/home/app:/bin/sh\\n' > /etc/passwd && printf 'app:x:1001:\\nextra:x:50:app\\n' > /etc/group",
        'USER app',
        'RUN id -u; id -g; id -G; echo $HOME',
        'USER 12:34',
        'RUN id -u; id -g',
      ),
    });
    const { events } = await machine().build(root, '--jobs=1');
    expect(getOutput(events)).toEqual(['1000', '1001', '1001 50', '/home/app', '12', '34']);
  });

  test('mount points never become part of a layer', async () => {
    const root = context({
      Dockerfile: dockerfile(
        'RUN cat /etc/hosts /etc/resolv.conf > /seen; ls /proc /dev /sys > /dev/null',
      ),
    });
    const layer = (await machine().build(root)).lowerdirs.split(':')[0] ?? '';
    expect(readdirSync(layer)).toEqual(['seen']);
    expect(readFileSync(join(layer, 'seen'), 'utf8')).toContain('localhost');
  });

  test('mounts: bind from context and stage, cache, tmpfs, secret', async () => {
    const root = context({
      Dockerfile: `FROM scratch AS base
COPY bin /bin
FROM base AS tools
RUN mkdir /t && echo tool > /t/tool
FROM base
RUN --mount=type=bind,source=sub,target=/ctx cat /ctx/file; touch /ctx/no || echo read-only
RUN --mount=type=bind,from=tools,source=/t,target=/t,rw cat /t/tool; touch /t/yes && echo writable
RUN --mount=type=cache,target=/c echo line >> /c/log; cat /c/log
RUN --mount=type=cache,target=/c echo line >> /c/log; cat /c/log; echo second
RUN --mount=type=tmpfs,target=/m mount | grep -c '/m type tmpfs'
RUN --mount=type=secret,id=s cat /run/secrets/s
`,
      'sub/file': 'from context\n',
      secret: 'hidden\n',
    });
    const { build } = machine();
    const { events, lowerdirs } = await build(
      root,
      '--jobs=1',
      `--secret=id=s,src=${join(root, 'secret')}`,
    );
    expect(getOutput(events).filter((line) => !line.startsWith('touch:'))).toEqual([
      'from context',
      'read-only',
      'tool',
      'writable',
      'line',
      'line',
      'line',
      'second',
      '1',
      'hidden',
    ]);
    for (const layer of lowerdirs.split(':').slice(0, -1)) expect(readdirSync(layer)).toEqual([]);
    // A secret is no part of the key.
    writeFileSync(join(root, 'secret'), 'other\n');
    expect(
      ranSteps((await build(root, `--secret=id=s,src=${join(root, 'secret')}`)).events),
    ).toEqual([]);
    // The file that is bind-mounted is.
    writeFileSync(join(root, 'sub/file'), 'changed\n');
    expect(
      getOutput((await build(root, `--secret=id=s,src=${join(root, 'secret')}`)).events),
    ).toContain('changed');
  });

  test('a mounted name with brackets is no pattern: it shows that directory, and changes in it count', async () => {
    const root = context({
      Dockerfile: `FROM scratch AS files
COPY . /app/
FROM scratch
COPY bin /bin
RUN --mount=type=bind,source=[id],target=/m cat /m/file
RUN --mount=type=bind,from=files,source=/app/[id],target=/m cat /m/file
`,
      '[id]/file': 'one',
      'i/file': 'another',
    });
    const { build } = machine();
    expect(getOutput((await build(root, '--jobs=1')).events)).toEqual(['one', 'one']);
    writeFileSync(join(root, '[id]/file'), 'two');
    expect(getOutput((await build(root, '--jobs=1')).events)).toEqual(['two', 'two']);
  });

  test('here-documents: one script, several in a command, a script with its own interpreter', async () => {
    const root = context({
      Dockerfile: dockerfile(
        'RUN <<EOF',
        'echo one',
        'echo $0',
        'EOF',
        'RUN cat <<A && cat <<B',
        'a',
        'A',
        'b',
        'B',
        'RUN <<X',
        '#!/bin/sh -e',
        'false || echo script',
        'X',
      ),
    });
    const { events } = await machine().build(root, '--jobs=1');
    expect(getOutput(events)).toEqual(['one', '/bin/sh', 'a', 'b', 'script']);
  });
});

describe('isolation', () => {
  test("a step sees neither this machine's processes nor its files, and has Docker's capabilities", async () => {
    const root = context({
      Dockerfile: dockerfile(
        'RUN ls /proc/1/cwd/; echo pids $(ls /proc | grep -c "^[0-9]"); grep CapBnd /proc/1/status; ls /dev | grep -c "^[sv]d" || true',
      ),
    });
    const output = getOutput((await machine().build(root)).events);
    expect(output).toContain('bin');
    expect(output).not.toContain('home');
    expect(output.find((line) => line.startsWith('pids'))).toMatch(/^pids [1-6]$/);
    expect(output).toContain('CapBnd:\t00000000a80425fb');
    expect(output.at(-1)).toBe('0');
  });

  test("--isolation=chroot is the article's way: /proc leads to this machine's files", async () => {
    // The article takes process 1; a container host may protect that, never our own process.
    const root = context({ Dockerfile: dockerfile(`RUN ls /proc/${process.pid}/cwd/`) });
    const { events } = await machine().build(root, '--isolation=chroot');
    expect(getOutput(events)).toContain('package.json');
  });

  test('--network=none leaves the loopback device alone', async () => {
    const root = context({
      Dockerfile: dockerfile('RUN --network=none cat /proc/net/dev | grep -c :'),
    });
    expect(getOutput((await machine().build(root)).events)).toEqual(['1']);
  });
});

describe('stages', () => {
  const text = `FROM scratch AS base
COPY bin /bin
FROM base AS unused
RUN false
FROM base AS side
RUN echo side > /side
FROM base AS final
COPY --from=side /side /
`;

  test('stages nobody needs are not built, --target chooses another', async () => {
    const { build } = machine();
    const root = context({ Dockerfile: text });
    expect(ranSteps((await build(root)).events)).toEqual([
      'COPY bin /bin',
      'RUN echo side > /side',
      'COPY --from=side /side /',
    ]);
    const target = await build(root, '--target=side');
    expect(ranSteps(target.events)).toEqual([]);
    expect(target.lowerdirs.split(':')).toHaveLength(2);
  });

  test('independent stages run at the same time, with --jobs 1 one after the other', async () => {
    const meet = (own: string, other: string) =>
      `RUN --mount=type=cache,target=/c touch /c/${own}; for i in 1 2 3 4 5 6 7 8 9 10; do test -e /c/${other} && echo met && break; sleep 0.2; done; sleep 0.3; rm -f /c/${own}`;
    const root = context({
      Dockerfile: `FROM scratch AS base
COPY bin /bin
FROM base AS a
${meet('a', 'b')}
FROM base AS b
${meet('b', 'a')}
FROM base
COPY --from=a /bin/sh /a
COPY --from=b /bin/sh /b
`,
    });
    const { build } = machine();
    expect(getOutput((await build(root, '--jobs=2')).events)).toEqual(['met', 'met']);
    expect(getOutput((await build(root, '--jobs=1', '--no-cache')).events)).toEqual([]);
  });
});

test('steps that wait need no processor: eight stages run at the same time, without an option', async () => {
  const numbers = [1, 2, 3, 4, 5, 6, 7, 8];
  const meet = (own: number) =>
    `RUN --mount=type=cache,target=/c touch /c/${own}; for i in $(ls /bin /bin /bin); do test -e /c/8 -a -e /c/7 -a -e /c/6 -a -e /c/5 -a -e /c/4 -a -e /c/3 -a -e /c/2 -a -e /c/1 && echo met && break; sleep 0.5; done`;
  const stages = numbers.map((own) => `FROM base AS s${own}\n${meet(own)}`);
  const copies = numbers.map((own) => `COPY --from=s${own} /bin/sh /s${own}`);
  const root = context({
    Dockerfile: [
      'FROM scratch AS base',
      'COPY bin /bin',
      ...stages,
      'FROM base',
      ...copies,
      '',
    ].join('\n'),
  });
  expect(getOutput((await machine().build(root)).events)).toEqual(numbers.map(() => 'met'));
});

describe('what runs again', () => {
  test('a step that made the same files again does not make its followers run (early cut-off)', async () => {
    const { build } = machine();
    const root = context({
      Dockerfile: dockerfile(
        'COPY input /input',
        'RUN head -c 1 /input > /first',
        'RUN cat /first > /second',
      ),
      input: 'abc',
    });
    await build(root);
    writeFileSync(
      join(root, 'Dockerfile'),
      dockerfile(
        'RUN head -c 1 /input > /first'.replace('/input', '/bin/sh'),
        'RUN cat /first > /second',
      ),
    );
    await build(root);
    writeFileSync(
      join(root, 'Dockerfile'),
      dockerfile('RUN true; head -c 1 /bin/sh > /first', 'RUN cat /first > /second'),
    );
    const { events } = await build(root);
    expect(ranSteps(events)).toEqual(['RUN true; head -c 1 /bin/sh > /first']);
    expect(events.filter(({ type }) => type === 'cached').at(-1)).toMatchObject({ by: 'content' });
  });

  test('COPY --from of files that did not change is a hit though their stage was rebuilt', async () => {
    const { build } = machine();
    const text = (extra: string) => `FROM scratch AS make
COPY bin /bin
RUN echo same > /out; echo ${extra} > /other
FROM scratch
COPY --from=make /out /out
`;
    const root = context({ Dockerfile: text('1') });
    await build(root);
    writeFileSync(join(root, 'Dockerfile'), text('2'));
    const { events } = await build(root);
    expect(ranSteps(events)).toEqual(['RUN echo same > /out; echo 2 > /other']);
  });

  test('--no-cache runs everything, and what it made is used from then on', async () => {
    const { build } = machine();
    const root = context({ Dockerfile: dockerfile('RUN cat /proc/sys/kernel/random/uuid > /id') });
    const getId = (lowerdirs: string) =>
      readFileSync(join(lowerdirs.split(':')[0] ?? '', 'id'), 'utf8');
    const first = getId((await build(root)).lowerdirs);
    const fresh = await build(root, '--no-cache');
    expect(ranSteps(fresh.events)).toHaveLength(2);
    expect(getId(fresh.lowerdirs)).not.toBe(first);
    expect(getId((await build(root)).lowerdirs)).toBe(getId(fresh.lowerdirs));
  });

  test('an ARG counts for the steps after it alone, LABEL and CMD for none', async () => {
    const { build } = machine();
    const root = context({
      Dockerfile: dockerfile(
        'RUN echo before',
        'ARG WORD',
        'RUN echo after $WORD',
        'LABEL a=b',
        'CMD ["x"]',
      ),
    });
    await build(root, '--build-arg=WORD=1');
    expect(ranSteps((await build(root, '--build-arg=WORD=2')).events)).toEqual([
      'RUN echo after $WORD',
    ]);
    writeFileSync(join(root, 'Dockerfile'), dockerfile('LABEL c=d', 'RUN echo before'));
    expect(ranSteps((await build(root)).events)).toEqual([]);
  });
});

describe('options', () => {
  test('-f FILE, -f - and --iidfile', async () => {
    const { wiac } = machine();
    const root = context({ 'sub/My.Dockerfile': dockerfile('LABEL from=file') });
    const iidfile = join(tempDir(), 'iid');
    const file = await wiac([
      'build',
      '-f',
      join(root, 'sub/My.Dockerfile'),
      '--iidfile',
      iidfile,
      root,
    ]);
    expect(file.exitCode).toBe(0);
    expect(readFileSync(iidfile, 'utf8')).toMatch(/^sha256:[0-9a-f]{64}$/);
    const stdin = await wiac(['build', '-f', '-', root], { input: dockerfile('LABEL from=stdin') });
    expect(stdin.stdout).toBe(file.stdout);
  });

  test('--quiet says nothing but the result, plain progress has the step in front of its output', async () => {
    const { wiac } = machine();
    const root = context({ Dockerfile: dockerfile('RUN echo text') });
    const plain = await wiac(['build', '--progress=plain', root]);
    expect(plain.stderr).toMatch(/^\[0 3\/3\] \d+\.\d{3} \| text$/m);
    expect(await wiac(['build', '--quiet', root])).toEqual({ ...plain, stderr: '' });
  });

  test('a build argument that no ARG asks for is a warning', async () => {
    const { wiac } = machine();
    const root = context({ Dockerfile: dockerfile() });
    const { stderr, exitCode } = await wiac(['build', '-q', '--build-arg=TYPO=1', root]);
    expect(exitCode).toBe(0);
    expect(stderr).toMatch(/^wiac: warning: .*TYPO.*\n$/);
    const silent = await wiac(['build', '-q', '--log-level=silent', '--build-arg=TYPO=1', root]);
    expect(silent.stderr).toBe('');
  });

  test('the same layer twice in one stack can be built on, run, and written out', async () => {
    const { build, wiac } = machine();
    const copy = ['COPY sub /sub', 'RUN rm /sub/file && echo other > /sub/other'];
    const lines = [...copy, 'COPY sub /sub', 'COPY sub /sub', 'RUN echo /sub/*', 'COPY sub /sub'];
    const root = context({ Dockerfile: dockerfile(...lines), 'sub/file': 'file\n' });
    const tree = tempDir();
    const { lowerdirs, events } = await build(root, '-t', 'twice', '-o', tree);
    expect(events.filter(({ type, by }) => type === 'cached' && by === 'content')).toHaveLength(2);
    expect(getOutput(events)).toEqual(['/sub/file /sub/other']);
    expect(new Set(lowerdirs.split(':')).size).toBe(lowerdirs.split(':').length);
    expect(readdirSync(join(tree, 'sub'))).toEqual(['file', 'other']);
    const run = await wiac(['run', 'twice', '/bin/sh', '-c', 'echo /sub/*']);
    expect(run.stdout).toBe('/sub/file /sub/other\n');
  });

  test('a store is made where WIAC_ROOT says, with its version', async () => {
    const { build, root } = machine();
    await build(context({ Dockerfile: dockerfile() }));
    expect(readFileSync(join(root, 'format-version'), 'utf8')).toBe('8\n');
    expect(existsSync(join(root, 'index/data.mdb'))).toBe(true);
    expect(readdirSync(join(root, 'tmp'))).toEqual([]);
  });
});
