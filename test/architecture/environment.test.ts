/** docs/commands.md has one table of all variables of the environment that wiac reads. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';

const SRC = join(process.cwd(), 'src');

/** How src/ calls an environment. */
const ENVIRONMENT = String.raw`(?:\bprocess\.env|\benv|\benvironment)`;
const MEMBER = new RegExp(String.raw`${ENVIRONMENT}\??\.([A-Z][A-Z0-9_]+)\b`, 'g');
const TAKEN_APART = new RegExp(
  String.raw`\{([^{}]*)\}\s*(?:=\s*${ENVIRONMENT}\b|:\s*NodeJS\.ProcessEnv)`,
  'g',
);
/** The name comes from elsewhere: then every word in the file that looks like one counts. */
const BY_NAME = new RegExp(String.raw`${ENVIRONMENT}\[`);
const WORD = /(?<=['"])[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+(?=['"])/g;
/** Those that only wiac and its peers have count wherever they are written. */
const OURS = /(?<=['"])(?:WIAC|BUILDX|COMPOSE)_[A-Z_]+(?=['"])|(?<=_VARIABLE = ')\w+(?=')/g;
const NAME = /\b[A-Z][A-Z0-9_]+\b/g;

/** Those that no user sets. */
const INTERNAL: Readonly<Record<string, readonly string[]>> = {
  'one process of wiac tells another': [
    ...['WIAC_IN_USER_NAMESPACE', 'WIAC_PARTS', 'WIAC_UNREAD_CA_CERTS'],
    ...['WIAC_VARIABLES_WITHOUT_TEXT', 'WIAC_PID_TRIES', 'WIAC_INDEX_TRIES'],
    ...['WIAC_GIT_USER', 'WIAC_GIT_PASSWORD'],
  ],
  'only the bundle for tests reads them': ['WIAC_TEST_CHECKPOINTS', 'WIAC_TEST_CRASH_AT'],
  'set for git': [
    'GIT_ASKPASS',
    'GIT_TERMINAL_PROMPT',
    'LC_ALL',
    'SSH_ASKPASS',
    'SSH_ASKPASS_REQUIRE',
  ],
};

const all = (text: string, pattern: RegExp): string[] =>
  [...text.matchAll(pattern)].map(([whole, group]) => group ?? whole);

function namesIn(text: string): string[] {
  return [
    ...all(text, MEMBER),
    ...all(text, TAKEN_APART).flatMap((list) => all(list.replace(/:\s*\w+/g, ''), NAME)),
    ...all(text, OURS),
    ...(BY_NAME.test(text) ? all(text, WORD) : []),
  ];
}

const sources = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((file) => /\.(tsx?|sh)$/.test(file))
  .map((file) => readFileSync(join(SRC, file), 'utf8'));
const read = new Set(sources.flatMap(namesIn));
const internal = new Set(Object.values(INTERNAL).flat());

const [, section = ''] = readFileSync('docs/commands.md', 'utf8').split('## Environment variables');
const [table = ''] = section.split('\n## ');
const documented = new Set(
  table
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .flatMap((line) => all(line.split('|')[1] ?? '', NAME)),
);

/** Node reads it (os.tmpdir); curl's names, which are put together from small letters. */
const ELSEWHERE = ['TMPDIR', 'ALL_PROXY'];

test('the table has every variable that src/ reads', () => {
  expect(read.size).toBeGreaterThan(40);
  expect([...read].filter((name) => !documented.has(name) && !internal.has(name))).toEqual([]);
});

test('src/ reads every variable of the table', () => {
  const known = [...documented].filter((name) => !ELSEWHERE.includes(name));
  expect(known.filter((name) => !read.has(name))).toEqual([]);
});

test('nothing is called internal that is not there', () => {
  const text = sources.join('\n');
  expect([...internal].filter((name) => !text.includes(name))).toEqual([]);
});
