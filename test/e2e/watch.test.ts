/** wiac build --watch: each change is a build if it makes a difference, and none otherwise. */
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { watchBuild } from '../../src/engine/watch/watch-build.js';
import { closeStore, openStore } from '../../src/store/store.js';
import { generator } from '../support/random.js';
import {
  context,
  dockerfile,
  machine,
  printed,
  processesWith,
  tempDir,
  WIAC,
} from '../support/wiac.js';

/** Builds while something happens; `next` waits for what comes of it. */
async function watching(
  path: string,
  happens: (next: () => Promise<string>, seen: readonly string[]) => Promise<void>,
): Promise<void> {
  const store = await openStore(join(tempDir(), 'store'), 'none');
  const ending = new AbortController();
  const seen: string[] = [];
  let told = 0;
  let wake = () => {};
  const tell = (text: string): void => {
    seen.push(text);
    wake();
  };
  const next = async (): Promise<string> => {
    while (seen.length <= told) await new Promise<void>((resume) => (wake = resume));
    told += 1;
    return seen[told - 1] ?? '';
  };
  const watch = watchBuild(store, { context: path, signal: ending.signal }, [], {
    begin: () => (event) => {
      if (event.type === 'output') tell(event.text);
    },
    built: async (_result, isOther) => tell(isOther ? 'built' : 'the same'),
    failed: async ({ message }) => tell(message),
    outdated: async () => tell('outdated'),
  });
  const ended = watch.catch((reason: unknown) => expect(reason).toBe('enough'));
  try {
    await happens(next, seen);
  } finally {
    ending.abort('enough');
    await ended;
    await closeStore(store);
  }
}

describe('a watched build', () => {
  test('is made again after each save that a COPY selects, and after no other', async () => {
    const path = context({
      Dockerfile: dockerfile(
        'COPY --exclude=*.md src /src',
        'COPY ["odd (name)", "/odd"]',
        'RUN for f in /src/* /src/d/* /odd/*; do [ ! -f $f ] || echo -n "$f=$(cat $f) "; done',
      ),
      '.dockerignore': 'ignored\nsrc/tmp\n**/*.log\n!src/d/kept.log\n',
      'src/d/b': '0',
      'odd (name)/f': '0',
      'src/tmp/x': '0',
      'ignored/x': '0',
    });
    const places = ['src', 'src/d', 'odd (name)', 'src/tmp', 'ignored', '.'];
    const names = ['a', 'kept.log', 'other.log', 'readme.md', 'c'];
    const random = generator(20_261_129);
    const pick = (from: readonly string[]) => from[Math.floor(random() * from.length)] ?? '';
    /** The oracle: what is said above of each file, in other words. */
    const isSelected = (file: string): boolean => {
      if (/^(\.|ignored|src\/tmp)\//.test(file)) return false;
      if (file.endsWith('.log') && file !== 'src/d/kept.log') return false;
      return !(file.startsWith('src/') && file.endsWith('.md'));
    };
    const there = new Map([
      ['src/d/b', '0'],
      ['odd (name)/f', '0'],
    ]);
    const inImage = (file: string) => `/${file.replace('odd (name)', 'odd')}`;
    /** What the RUN prints: the files of each directory by their names. */
    const printedNow = (): string =>
      ['/src', '/src/d', '/odd']
        .flatMap((directory) =>
          [...there]
            .map(([file, text]) => [inImage(file), text] as const)
            .filter(([file]) => dirname(file) === directory)
            .sort(([one], [two]) => (one < two ? -1 : 1)),
        )
        .map(([file, text]) => `${file}=${text} `)
        .join('');
    const save = (file: string, text: string): void => {
      // Editors write beside the file, and give it the name.
      const beside = random() < 0.5 ? file : `${file}.log`;
      writeFileSync(join(path, beside), text);
      renameSync(join(path, beside), join(path, file));
    };
    const known = new Set<string>();
    await watching(path, async (next, seen) => {
      const isBuilt = async (): Promise<void> => {
        const now = printedNow();
        // What was so before is in the cache.
        if (!known.has(now)) expect(await next()).toBe(now);
        known.add(now);
        // Had a save of another file led to a build, it would have been seen before.
        expect(await next()).toBe('built');
      };
      await isBuilt();
      for (let round = 1; round <= 50; round += 1) {
        const file = `${pick(places)}/${pick(names)}`;
        const isGone = there.has(file) && random() < 0.5;
        if (isGone) {
          rmSync(join(path, file));
          there.delete(file);
        } else save(file, `${round}`);
        if (!isSelected(file)) continue;
        if (!isGone) there.set(file, `${round}`);
        await isBuilt();
      }
      await sleep(200);
      expect(seen).toHaveLength(seen.filter((text) => text === 'built').length + known.size);
    });
  });

  test('what fails is told once, until something changes that may mend it', async () => {
    const good = dockerfile('COPY f /f', 'RUN cat f; test "$(cat f)" != bad');
    const path = context({ Dockerfile: good, f: 'good', other: '' });
    const put = (name: string, text: string) => writeFileSync(join(path, name), text);
    await watching(path, async (next) => {
      expect([await next(), await next()]).toEqual(['good', 'built']);
      put('f', 'bad');
      expect([await next(), await next()]).toEqual(['bad', 'the step ended with exit code 1']);
      put('other', '1');
      await sleep(200);
      put('f', 'good');
      expect(await next()).toBe('the same');
      rmSync(join(path, 'f'));
      expect(await next()).toContain('f is not in the build context');
      put('other', '2');
      await sleep(200);
      put('f', 'new');
      expect([await next(), await next()]).toEqual(['new', 'built']);
      put('Dockerfile', `${good}NONSENSE\n`);
      expect(await next()).toContain('unknown instruction NONSENSE');
      put('Dockerfile', good);
      expect(await next()).toBe('the same');
    });
  });

  test('directories that are moved in, replaced, and gone for a while are watched', async () => {
    const above = tempDir();
    const make = (name: string): string => {
      const root = join(above, name);
      mkdirSync(join(root, 'src/x/y'), { recursive: true });
      writeFileSync(join(root, 'src/x/y/f'), name);
      writeFileSync(join(root, 'Dockerfile'), 'FROM scratch\nCOPY src /src\n');
      return root;
    };
    const link = join(above, 'link');
    const path = make('app');
    symlinkSync(path, link);
    await watching(link, async (next) => {
      const isBuilt = async () => expect(await next()).toBe('built');
      const edit = async (text: string) => {
        writeFileSync(join(path, 'src/x/y/f'), text);
        await isBuilt();
      };
      await isBuilt();
      rmSync(join(path, 'src/x'), { recursive: true });
      renameSync(join(make('tree'), 'src/x'), join(path, 'src/x'));
      await isBuilt();
      await edit('below what was moved in');
      const other = make('other');
      renameSync(path, join(above, 'away'));
      renameSync(other, path);
      await isBuilt();
      await edit('below another one');
      rmSync(path, { recursive: true });
      expect(await next()).toContain('there is no');
      renameSync(make('back'), path);
      await isBuilt();
      await edit('below what is back');
      symlinkSync(join(above, 'away'), join(above, 'new'));
      renameSync(join(above, 'new'), link);
      await isBuilt();
    });
  });

  test('ends when it is out of date, not when something else changes; new patterns count at once', async () => {
    const wait = 'RUN cat f; echo; while [ -e /wait ]; do sleep 0.05; done';
    const path = context({ Dockerfile: dockerfile('COPY . /', wait), f: 'one', wait: '' });
    await watching(path, async (next) => {
      expect(await next()).toBe('one');
      writeFileSync(join(path, 'f'), 'two');
      expect([await next(), await next()]).toEqual(['outdated', 'two']);
      // Neither what is ignored by then nor an empty directory that a watcher tells of.
      writeFileSync(join(path, '.dockerignore'), 'wait\nnew\n.dockerignore\n');
      expect([await next(), await next(), await next()]).toEqual(['outdated', 'two', 'built']);
      mkdirSync(join(path, 'new'));
      writeFileSync(join(path, 'new/f'), '');
      await sleep(200);
      writeFileSync(join(path, 'f'), 'three');
      expect([await next(), await next()]).toEqual(['three', 'built']);
    });
  });
});

describe('the command', () => {
  test('--exec: the program is started anew with each result, and ends with wiac', async () => {
    const { root } = machine();
    const path = context({ Dockerfile: dockerfile('COPY f /f'), f: 'one' });
    const mark = `${97_000_000 + process.pid}`;
    const command = `cat "\${1%%:*}/f"; echo " is it"; sleep ${mark} & sleep ${mark}`;
    const child = execa(
      process.execPath,
      [WIAC, 'build', '-q', '--watch', '--exec', command, path],
      {
        reject: false,
        env: { WIAC_ROOT: root },
      },
    );
    await printed(child.stdout, 'one is it\n');
    expect(processesWith(mark).length).toBeGreaterThan(1);
    const again = printed(child.stdout, 'two is it\n');
    writeFileSync(join(path, 'f'), 'two');
    await again;
    child.kill('SIGINT');
    expect((await child).exitCode).toBe(130);
    expect(processesWith(mark)).toEqual([]);
    expect(readdirSync(join(root, 'tmp'))).toEqual([]);
  });

  test('--exec: a program that has ended well is no news, another one is', async () => {
    const { root } = machine();
    const path = context({ Dockerfile: dockerfile('COPY f /f'), f: '0' });
    const command = 'code=$(cat "${1%%:*}/f"); echo ran $code; exit $code';
    const watch = execa(
      process.execPath,
      [WIAC, 'build', '-q', '--watch', '--exec', command, path],
      { reject: false, env: { WIAC_ROOT: root } },
    );
    await printed(watch.stdout, 'ran 0\n');
    writeFileSync(join(path, 'f'), '3');
    await printed(watch.stderr, 'exit code 3\n');
    watch.kill('SIGINT');
    expect((await watch).stderr).not.toContain('exit code 0');
  });

  test('--exec: what the shell has started has time to end as well; a second Ctrl-C gives it none', async () => {
    const { root } = machine();
    const path = context({ Dockerfile: dockerfile('COPY f /f'), f: 'one' });
    const mark = `${98_000_000 + process.pid}`;
    const program = (name: string, end: string) =>
      `sh -c 'trap "sleep 0.1; echo ${name} was asked; ${end}" TERM; echo ${name} is up; while :; do sleep 0.02; done'`;
    const one = `test "$(cat "\${1%%:*}/f")" = one && ${program('one', 'exit')}`;
    // The shell itself ends with the first SIGTERM.
    const command = `${one} || ${program('two', '')}; : ${mark}`;
    const watch = execa(
      process.execPath,
      [WIAC, 'build', '-q', '--watch', '--exec', command, path],
      { reject: false, env: { WIAC_ROOT: root } },
    );
    await printed(watch.stdout, 'one is up\n');
    const again = printed(watch.stdout, 'two is up\n');
    writeFileSync(join(path, 'f'), 'two');
    await again;
    const asked = printed(watch.stdout, 'two was asked\n');
    watch.kill('SIGINT');
    await asked;
    watch.kill('SIGINT');
    const { exitCode, stdout } = await watch;
    expect(exitCode).toBe(130);
    expect(stdout).toBe('one is up\none was asked\ntwo is up\ntwo was asked');
    expect(processesWith(mark)).toEqual([]);
  });

  test.each([
    ['killed', false],
    ['killed while the program takes its time to end', true],
  ])('--exec: the program ends as well when wiac is %s', async (_, isAsked) => {
    const { root } = machine();
    const path = context({ Dockerfile: dockerfile('COPY f /f'), f: 'one' });
    const mark = `${99_000_000 + process.pid}`;
    const command = `(trap '' TERM; exec sleep ${mark}) & trap 'echo was asked' TERM; echo is up; sleep ${mark}; wait`;
    const watch = execa(
      process.execPath,
      [WIAC, 'build', '-q', '--watch', '--exec', command, path],
      { reject: false, env: { WIAC_ROOT: root } },
    );
    await printed(watch.stdout, 'is up\n');
    expect(processesWith(mark).length).toBeGreaterThan(1);
    if (isAsked) {
      const asked = printed(watch.stdout, 'was asked\n');
      writeFileSync(join(path, 'f'), 'two');
      await asked;
    }
    watch.kill('SIGKILL');
    await watch;
    while (processesWith(mark).length > 0) await sleep(20);
  });

  test.each([
    ['-', 'needs files of this machine'],
    ['https://example.test/x.git', 'needs files of this machine'],
  ])('%s is refused', async (path, reason) => {
    const { exitCode, stderr } = await machine().wiac(['build', '--watch', path], {
      input: 'FROM scratch\n',
    });
    expect({ exitCode, stderr }).toEqual({ exitCode: 2, stderr: expect.stringContaining(reason) });
  });

  test('--exec without --watch, and an output on standard output', async () => {
    const { wiac } = machine();
    const path = context({ Dockerfile: dockerfile() });
    expect((await wiac(['build', '--exec', 'true', path])).exitCode).toBe(2);
    expect((await wiac(['build', '--watch', '-o', '-', path])).exitCode).toBe(2);
  });
});

test('bake --watch: the targets that a change is for, and what is made of them; nothing else', async () => {
  const { root } = machine();
  const path = context({
    'docker-bake.hcl': `
      group "default" { targets = ["app", "other"] }
      target "base" {
        context = "base"
        dockerfile-inline = "FROM scratch\\nCOPY bin /bin\\nCOPY f /f\\n"
      }
      target "app" {
        context = "app"
        contexts = { base = "target:base" }
        dockerfile-inline = "FROM base\\nCOPY f /g\\nRUN cat /f /g > /all; ! grep bad /all\\n"
      }
      target "other" { context = "other" }`,
    'base/f': 'base1 ',
    'app/f': 'app1 ',
    'app/unused': '',
    'other/Dockerfile': 'FROM scratch\nCOPY f /other\n',
    'other/f': 'other1',
  });
  renameSync(join(path, 'bin'), join(path, 'base/bin'));
  const child = execa(process.execPath, [WIAC, 'bake', '--watch', '--progress=json'], {
    cwd: path,
    reject: false,
    env: { WIAC_ROOT: root },
  });
  const results: string[] = [];
  const errors: string[] = [];
  let [ran, plans] = [0, 0];
  child.stdout.on('data', (text) => results.push(String(text)));
  child.stderr.on('data', (text: Buffer) => {
    ran += String(text).split('{"type":"started"').length - 1;
    plans += String(text).split('{"type":"planned"').length - 1;
    if (String(text).includes('"type":"error"')) errors.push(String(text));
  });
  const until = async (isDone: () => boolean): Promise<void> => {
    while (!isDone() && child.exitCode === null) await sleep(10);
  };
  const contents = (): string[] =>
    (results.at(-1) ?? '')
      .trim()
      .split('\n')
      .map((line) => {
        const [name = '', layer = ''] = line.split('\t');
        return readFileSync(join(layer.split(':')[0] ?? '', name === 'app' ? 'all' : name), 'utf8');
      });
  const put = (name: string, text: string) => writeFileSync(join(path, name), text);
  try {
    await until(() => results.length === 1);
    expect(contents()).toEqual(['base1 app1 ', 'other1']);
    expect(ran).toBe(5);
    put('app/unused', 'x');
    put('app/f', 'app2 ');
    await until(() => results.length === 2);
    expect(contents()).toEqual(['base1 app2 ', 'other1']);
    expect(ran).toBe(7);
    put('base/f', 'base2 ');
    await until(() => results.length === 3);
    expect(contents()).toEqual(['base2 app2 ', 'other1']);
    put('other/f', 'other2');
    await until(() => results.length === 4);
    expect(contents()).toEqual(['base2 app2 ', 'other2']);
    const before = ran;
    const planned = plans;
    put('app/unused', 'y');
    await sleep(300);
    expect([ran, plans]).toEqual([before, planned]);
    put('app/f', 'bad');
    await until(() => errors.length === 1);
    put('app/f', 'app3 ');
    await until(() => results.length === 5);
    expect(contents()).toEqual(['base2 app3 ', 'other2']);
    expect([errors.length, ran]).toEqual([1, before + 4]);
  } finally {
    child.kill('SIGINT');
  }
  expect((await child).exitCode).toBe(130);
  expect(readdirSync(join(root, 'tmp'))).toEqual([]);
});
