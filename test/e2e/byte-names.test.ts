/** Names, and targets of links, that are not UTF-8: a program may leave any bytes. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { fetchedIgnore } from '../../src/fs/scan/local-context.js';
import { ordinaryUser } from '../support/rootless.js';
import { warmMachines } from '../support/warm-command.js';
import { context, dockerfile, ranSteps, tempDir, WIAC } from '../support/wiac.js';

const machine = warmMachines();

const bytes = (octal: string) => `"$(printf '${octal}')"`;

test('a step leaves them: the steps on it are found again or run, and its layer is exported as it is', async () => {
  const removed = bytes('/gone\\377');
  const replaced = bytes('/d\\377');
  const root = context({
    Dockerfile: dockerfile(
      'COPY v /v',
      `RUN echo 1 > ${removed}; echo 2 > ${bytes('/gone\\376')}; mkdir ${replaced}; echo 3 > ${replaced}/old`,
      `RUN rm ${removed}; rm -r ${replaced}; mkdir ${replaced}; echo 4 > ${replaced}/new`,
      'RUN ls / > /list',
    ),
    v: '1',
  });
  const { build, wiac } = machine();
  await build(root);
  // The layers below the first RUN have changed: what those above are made of is compared.
  writeFileSync(join(root, 'v'), '2');
  await build(root);
  expect(ranSteps((await build(root)).events)).toEqual([]);
  const archive = join(tempDir(), 'tar');
  for (const flags of [[], ['--squash']]) {
    await build(root, '--output', `type=tar,dest=${archive}`, ...flags);
    const listed = spawnSync('tar', ['-tf', archive], { encoding: 'latin1' }).stdout.split('\n');
    const names = listed.filter((name) => /^(gone|d\\)/.test(name));
    expect(names.sort()).toEqual(['d\\377/', 'd\\377/new', 'gone\\376']);
  }
  const found = await wiac(['cache', 'find', 'd*/new']);
  expect(found.stdout).toContain('/new');
  expect((await wiac(['cache', 'verify'])).exitCode).toBe(0);
});

test('what is copied keeps its names and targets, and two of them are never the same', async () => {
  const root = context({
    Dockerfile: [
      'FROM scratch AS made',
      'COPY bin /bin',
      'COPY v /v',
      'RUN mkdir /d && ln -s "$(cat /v)" /d/link && echo x > "/d/$(cat /v)"',
      'FROM made',
      'COPY --from=made /d /copied',
      'COPY own /own',
      'RUN --mount=from=made,source=/d,target=/shown ls /shown > /read',
    ].join('\n'),
  });
  const { build } = machine();
  const copied = async (last: string) => {
    writeFileSync(join(root, 'v'), `x${last}`, 'latin1');
    const make = 'rm -rf own && mkdir own && ln -s "$1" own/link && echo x > "own/$1"';
    const name = `l\\${last.charCodeAt(0).toString(8)}`;
    spawnSync('sh', ['-c', make.replaceAll('$1', `$(printf '${name}')`)], { cwd: root });
    const { lowerdirs, events } = await build(root);
    const files = lowerdirs.split(':').flatMap((layer) =>
      ['copied', 'own']
        .map((directory) => join(layer, directory))
        .filter((directory) => existsSync(directory))
        .flatMap((directory) => [
          readlinkSync(join(directory, 'link'), 'latin1'),
          ...readdirSync(directory, 'latin1').filter((file) => file !== 'link'),
        ]),
    );
    return { files, ran: ranSteps(events).length };
  };
  expect(await copied('þ')).toEqual({ files: ['lþ', 'lþ', 'xþ', 'xþ'], ran: 6 });
  expect(await copied('ÿ')).toEqual({ files: ['lÿ', 'lÿ', 'xÿ', 'xÿ'], ran: 5 });
});

test('a mount goes where a link leads, and shows what is there', async () => {
  const directory = bytes('/d\\377');
  const root = context({
    Dockerfile: dockerfile(
      `RUN mkdir ${directory} && echo found > ${directory}/f && ln -s ${directory} /link`,
      'FROM made',
      'RUN --mount=from=made,source=/link,target=/shown cat /shown/f > /read',
      'RUN --mount=type=cache,target=/link/cache echo kept > /link/cache/f',
      'RUN --mount=type=cache,target=/link/cache cat /link/cache/f >> /read',
    ).replace('scratch', 'scratch AS made'),
  });
  const { lowerdirs } = await machine().build(root);
  expect(readFileSync(join(lowerdirs.split(':')[0] ?? '', 'read'), 'utf8')).toBe('found\nkept\n');
});

test('a wildcard finds names that begin with a line feed, or have what a pattern means something with', async () => {
  const names = ['\n', '\nx', ' ', 'a\\b', '{a,b}', '!(x)', '+(x)', '[x]', '.dot', '\u{1F600}'];
  const files = Object.fromEntries(names.map((name) => [`t/${name}/f*`, name]));
  const root = context({
    Dockerfile: 'FROM scratch\nCOPY --parents t/*/f\\* /\n',
    ...files,
  });
  const { lowerdirs } = await machine().build(root);
  expect(readdirSync(join(lowerdirs, 't')).sort()).toEqual([...names].sort());
});

test('.dockerignore leaves out the file that it names, and no other one', async () => {
  const root = context({ Dockerfile: 'FROM scratch\nCOPY t /\n', 't/a\uFFFD': '' });
  spawnSync('sh', ['-c', `for last in 376 377; do : >"t/a$(printf "\\\\$last")"; done`], {
    cwd: root,
  });
  writeFileSync(join(root, '.dockerignore'), 't/aÿ\n', 'latin1');
  const { lowerdirs } = await machine().build(root);
  expect(readdirSync(lowerdirs, 'latin1').sort()).toEqual(['aï¿½', 'aþ']);
  const fetched = fetchedIgnore(root, { kind: 'context', path: 'Dockerfile' });
  const names = ['t/a\u{10FFFF}', 't/a\u{10FFFE}', 't/a\uFFFD'];
  expect(names.map((name) => fetched.ignores(name))).toEqual([true, false, false]);
});

test('attributes whose names are not ASCII are copied, and two of them are never the same', async () => {
  const root = context({ Dockerfile: 'FROM scratch\nCOPY t /\n', 't/f': '' });
  const file = join(root, 't/f');
  const note = (name: string, call: string) =>
    spawnSync('sh', ['-c', `setfattr ${call} "$(printf 'user.${name}')" ${file}`]).status;
  const { build } = machine();
  const noted = async () => {
    const { stdout } = spawnSync('getfattr', [join((await build(root)).lowerdirs, 'f')]);
    return stdout.toString('latin1').match(/user\..*/)?.[0];
  };
  expect(note('\\303\\244', '-n')).toBe(0);
  expect(await noted()).toBe('user.Ã¤');
  expect(note('\\303\\244', '-x') || note('\\376', '-n')).toBe(0);
  expect(await noted()).toBe('user.þ');
  expect(note('\\376', '-x') || note('\\377', '-n')).toBe(0);
  expect(await noted()).toBe('user.ÿ');
});

describe('bytes in a Dockerfile that are not UTF-8', () => {
  /** Two files whose names look the same where such bytes are replaced. */
  function named(...lines: readonly string[]) {
    const root = context({ 'a\uFFFD': 'another file\n' });
    writeFileSync(
      join(root, 'Dockerfile'),
      Buffer.from(`FROM scratch\n${lines.join('\n')}\n`, 'latin1'),
    );
    return root;
  }

  test.each([
    ['a name', ['COPY a\xff /got'], '2:7'],
    ['a program', ['COPY bin /bin', 'RUN echo a && \\', '  echo caf\xe9'], '4:11'],
    ['a here-document, where # is no comment', ['COPY <<E /x', '# caf\xe9', 'E'], '3:6'],
  ])('are none of an instruction: %s', async (_, lines, place) => {
    const root = named(...lines);
    const { wiac } = machine();
    const file = join(root, 'Dockerfile');
    const input = readFileSync(file);
    for (const options of [{}, { input }]) {
      const from = 'input' in options ? '-' : file;
      const { exitCode, stderr } = await wiac(['build', '-f', from, root], options);
      expect({ exitCode, stderr }).toEqual({
        exitCode: 3,
        stderr: expect.stringContaining(`:${place}: there are bytes here that are not UTF-8`),
      });
    }
  });

  test('may be in comments', async () => {
    const { build } = machine();
    await build(named('# caf\xe9', 'COPY bin /bin', 'RUN echo a && \\', '# caf\xe9', '  echo b'));
  });
});

test('bytes that are not UTF-8 are none of an argument, of a variable, or of a file of these', async () => {
  const environment = { ...process.env, WIAC_ROOT: machine().root };
  const root = context({ Dockerfile: dockerfile('ARG A', 'RUN echo $A > /a') });
  const latin = (text: string) => Buffer.from(text, 'latin1');
  const files = {
    args: '# \u00e9\nA=caf\xe9\n',
    'docker-bake.hcl': 'target "default" {\n  args = { A = "caf\xe9" }\n}\n',
    'compose.yaml': 'services:\n  a:\n    build:\n      args: { A: caf\xe9 }\n',
    '.env': 'A=caf\xe9\n',
    'plain.yaml': 'services: { a: { build: . } }\n',
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(root, name), latin(text));
  const run = (words: string) => {
    const script = `exec "$0" "$1" ${words}`;
    const options = { cwd: root, env: environment, encoding: 'utf8' } as const;
    return spawnSync('sh', ['-c', script, process.execPath, WIAC], options);
  };
  for (const words of [
    `build --build-arg A=${bytes('caf\\351')} .`,
    'build --build-arg-file args .',
    'bake --print -f docker-bake.hcl',
    'bake --print -f compose.yaml',
    'bake --print -f plain.yaml',
    'run --env-file args . ./box /bin/true',
  ])
    expect([words, run(words).stderr]).toEqual([
      words,
      expect.stringContaining('there are bytes here that are not UTF-8'),
    ]);
  const user = ordinaryUser();
  chmodSync(root, 0o755);
  // Who is not root continues in a user namespace, in a process that gets the variables from this one.
  for (const { command, env } of [{ command: [], env: environment }, user]) {
    const build = `A=${bytes('caf\\351')} B=\uFFFD exec "$0" "$1" build --build-arg B --build-arg A .`;
    const [program = '', ...words] = [...command, 'sh', '-c', build, process.execPath, WIAC];
    const options = { cwd: root, env: { ...environment, ...env }, encoding: 'utf8' } as const;
    expect(spawnSync(program, words, options).stderr).toContain(
      'the variable A: there are bytes here that are not UTF-8',
    );
  }
  // The character itself may be meant.
  expect(run('build --check --build-arg A=\uFFFD .').status).toBe(0);
});
