/** README, --help and examples say what works: every command in them is executed here. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { clone, exampleCommands, shellBlocks } from '../support/examples.js';
import { warmMachines } from '../support/warm-command.js';

const machine = warmMachines();

const README = readFileSync('README.md', 'utf8');
const CI = readFileSync('.ci/run', 'utf8');

/** Debian packages that a set-up installs. */
function packagesIn(commands: string): string[] {
  return /apt-get install -y -qq (.*)/.exec(commands)?.[1]?.split(' ') ?? [];
}

/** What the commands of an example are to have printed last, beyond that they worked. */
const EXAMPLES: Readonly<Record<string, RegExp>> = {
  article: /^first\nnote$/m,
  hello: /hello from a container/,
  stages: /left and right/,
  'cache-mount': /^day 1\nday 2$/m,
  'node-app': /hello, container(.|\n)*CACHED.* COPY --from=test/,
  monorepo: /^web\napi$/m,
  'ci-cache': /3 steps cached, 0 run/,
};

/** A program and a cluster, which have tests of their own, and what needs Debian's packages (debian.test.ts). */
const ELSEWHERE = ['library', 'debian', 'c', 'cluster'];

describe('README', () => {
  const [setUp = '', ...blocks] = shellBlocks(README);

  test('the set-up is two commands, which .ci/run executes with more packages', () => {
    expect(packagesIn(setUp)).not.toEqual([]);
    expect(packagesIn(CI)).toEqual(expect.arrayContaining(packagesIn(setUp)));
    expect(CI).toContain('npm install');
    expect(setUp.trim().split('\n')).toHaveLength(2);
  });

  test('whoever reads only this knows what is not kept apart', () => {
    const [, said = ''] = /## What a step can reach\n(.*?)\n## /s.exec(README) ?? [];
    expect(said).toMatch(/network is this machine's.*loopback addresses\s+and\s+abstract sockets/s);
    expect(said).toMatch(/`--isolation=chroot`[^.]*\*\*unsafe\*\*/);
  });

  test('the three commands write what the README shows', async () => {
    const { cwd, env } = clone();
    const [first = ''] = blocks;
    const { stderr, stdout } = await execa('sh', ['-e', '-c', first], { cwd, env });
    const [, progress = '', result = ''] =
      /## Three commands\n.*?```sh\n.*?```.*?```\n(.*?)```.*?```\n(.*?)```/s.exec(README) ?? [];
    const withoutTimes = (text: string) => text.trim().replace(/\d+\.\d+s|\d+\.\d+ MB/g, '#');
    expect(withoutTimes(stderr)).toBe(withoutTimes(progress));
    const names = (text: string) => text.trim().replace(/[^:\n]*\/l\/[a-z2-7]{16}/g, 'LAYER');
    expect(names(stdout)).toContain(names(result));
    expect(stdout).toContain('hello from a container');
  });

  test('the tour prints what it shows', async () => {
    const { cwd, env } = clone();
    const said: string[] = [];
    for (const block of blocks) {
      const { all } = await execa('sh', ['-e', '-c', block], { cwd, env, all: true });
      said.push(all);
    }
    const shown = [...README.matchAll(/```sh\n(?:(?!```).)*```\n\n```\n(.*?)```/gs)].map(
      ([, text = '']) => text,
    );
    // Keys and times are others each time.
    const plain = (text: string) => text.replace(/\b[0-9a-f]{12}\b|\b\d+\.\d{3}\b/g, '#');
    expect(shown).toHaveLength(4);
    for (const text of shown) expect(plain(said.join('\n'))).toContain(plain(text).trimEnd());
    expect(said.join('\n')).toMatch(/^note$/m);
    expect(said.at(-1)).toContain('A  12 B  /page');
    expect(readFileSync(join(cwd, 'report.html'), 'utf8')).toContain('</html>');
  });

  test('its list has every page', () => {
    const pages = readdirSync('docs').filter((name) => name.endsWith('.md'));
    expect(pages.filter((name) => !README.includes(`](docs/${name})`))).toEqual([]);
  });
});

describe('docs/commands.md', () => {
  const text = readFileSync('docs/commands.md', 'utf8');

  test('every command of the table has help', async () => {
    const { wiac } = machine();
    const commands = [...text.matchAll(/^\| `wiac ([a-z]+(?: [a-z]+)?)/gm)].map(
      ([, name]) => name?.split(' ') ?? [],
    );
    expect(commands.length).toBeGreaterThan(8);
    for (const command of commands) {
      const { exitCode, stdout } = await wiac([...command, '--help']);
      expect({ command, exitCode }).toEqual({ command, exitCode: 0 });
      expect(stdout).toContain('Usage: wiac');
    }
  });

  test('the exit codes are those of the error classes', () => {
    const errors = readFileSync('src/util/errors.ts', 'utf8');
    for (const [, code, exitCode] of errors.matchAll(
      /code = '([A-Z_]+)';\n {2}readonly exitCode = (\d+);/g,
    )) {
      expect(text).toContain(`| ${exitCode} | ${code} |`);
    }
  });
});

/** What the commands of a page are to have printed, beyond that they worked. */
const PRINTED: Readonly<Record<string, readonly (string | RegExp)[]>> = {
  'run.md': [/ usr$/m],
  'images.md': ['Untagged: example.org/hello:1'],
  'shared-cache.md': [/imported \d+ entries/],
  'store.md': [/^checked \d+ entries/m, 'would free'],
  'bake.md': [
    /^web\t\S+\napi\t\S+\n\{$/m,
    '"GREETING": "bye"',
    '"shop/api:dev"',
    /^web: \//m,
    /^shell\t\/\S+\nshell\t\/\S+$/m,
  ],
  'history.md': ['PROJECT', /Z \[0 4\/5\] RUN chmod/, /\n\[\n/],
  'report.md': [/^\/.*\/wiac-report-[a-z2-7]{8}\.html\n\/.*\/before\.html$/m],
  'debug.md': [
    /^\/usr\/local\/sbin:.*\nno permission yet\nA {2}\d+ B {2}\/myapp.sh$/m,
    '+echo hello from a container\n',
  ],
};

/** packages.test.ts executes its commands, in a Debian that has nothing else. */
const INSTALL_PAGE = 'install.md';

const PAGES = readdirSync('docs')
  .filter((name) => name.endsWith('.md') && name !== INSTALL_PAGE)
  .map((name) => [name, shellBlocks(readFileSync(join('docs', name), 'utf8'))] as const)
  .filter(([, blocks]) => blocks.length > 0);

test.each(PAGES)('the commands of docs/%s work, in their order', async (name, blocks) => {
  const { cwd, env } = clone();
  const before = `wiac copy examples/hello /bin/busybox /bin/sh
wiac build -q -t hello examples/hello`;
  let printed = '';
  for (const block of name === 'history.md' ? blocks : [before, ...blocks])
    printed += `${(await execa('sh', ['-e', '-c', block], { cwd, env })).stdout}\n`;
  for (const text of PRINTED[name] ?? []) expect(printed).toMatch(text);
});

describe('CONTRIBUTING', () => {
  test('the set-up commands are those of .ci/run, in its order', () => {
    const [setUp = ''] = shellBlocks(readFileSync('CONTRIBUTING.md', 'utf8'));
    const commands = setUp.trim().split('\n');
    const executed = CI.split('\n')
      .map((line) => line.replace(/ 2>&1.*/, ''))
      .filter((line) => commands.includes(line));
    expect(executed).toEqual(commands);
  });

  test('the scripts of its table are those of package.json', () => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8'));
    const named = readFileSync('CONTRIBUTING.md', 'utf8').matchAll(
      /`(?:npm run )?((?:test|bench)(?::\w+)?)`/g,
    );
    expect([...named].map(([, name]) => name ?? '').filter((name) => !(name in scripts))).toEqual(
      [],
    );
  });

  test('documents link to files that are there', () => {
    for (const document of [
      'README.md',
      'CONTRIBUTING.md',
      'bench/README.md',
      'examples/README.md',
      ...[...Object.keys(EXAMPLES), ...ELSEWHERE].map((name) => `examples/${name}/README.md`),
      ...readdirSync('docs')
        .filter((name) => name.endsWith('.md'))
        .map((name) => `docs/${name}`),
    ]) {
      const links = readFileSync(document, 'utf8').matchAll(/\]\((?!https?:)([^)#]+)\)/g);
      const missing = [...links].filter(
        ([, path = '']) => !existsSync(join(dirname(document), path)),
      );
      expect({ document, missing }).toEqual({ document, missing: [] });
    }
  });
});

test('--help and --version end with 0 and say so on standard output', async () => {
  const { wiac } = machine();
  const version = JSON.parse(readFileSync('package.json', 'utf8')).version;
  expect(await wiac(['--version'])).toEqual({ exitCode: 0, stdout: `${version}\n`, stderr: '' });
  expect((await wiac(['--help'])).stdout).toContain('Build and run:');
});

describe('examples', () => {
  test('each is in their list, and has a README of few lines', () => {
    const names = readdirSync('examples', { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
    expect([...Object.keys(EXAMPLES), ...ELSEWHERE].sort()).toEqual(names.sort());
    const list = readFileSync('examples/README.md', 'utf8');
    expect(names.filter((name) => !list.includes(`| [${name}](${name}) |`))).toEqual([]);
    for (const name of names)
      expect(
        readFileSync(join('examples', name, 'README.md'), 'utf8').split('\n').length,
      ).toBeLessThan(25);
  });

  test.each(Object.entries(EXAMPLES))('%s does what its README says', async (name, printed) => {
    const { cwd, env } = clone();
    const { all } = await execa('sh', ['-e', '-c', exampleCommands(name)], { cwd, env, all: true });
    expect(all).toMatch(printed);
  });
});
