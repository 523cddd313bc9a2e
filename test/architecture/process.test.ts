/**
 * The engine is a library: it reads no environment but what it is given, prints nothing, never ends
 * the process and changes nothing about it. Who needs something of the process is listed with why.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';

const SRC = join(process.cwd(), 'src');

const ALLOWED: Readonly<Record<string, string>> = {
  'executor/local/privileges.ts':
    'the command goes on in a user namespace; programs do that themselves',
  'native/run-on-streams.ts': "a program that has this process's streams gets its signals",
  'util/at-exit.ts':
    'what is half written where others see it goes with the process, however that ends',
  'util/checkpoint.ts': 'the crash test, in the bundle for tests alone',
  'oci/registry/auth-config.ts': 'where a caller names no environment',
};

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter(
  (path) => path.endsWith('.ts') && !/^(start|cli|ui)\//.test(path),
);

const OF_THE_PROCESS =
  /\bprocess\.(env|exit|exitCode|chdir|cwd|stdout|stderr|stdin|on|once|umask|abort)\b|\bconsole\./;

test.each(files)('%s leaves the process alone', (path) => {
  const text = readFileSync(join(SRC, path), 'utf8');
  expect(OF_THE_PROCESS.test(text)).toBe(path in ALLOWED);
});
