/**
 * Builds cases as an ordinary user, all in one process in a user namespace, because starting it takes longer
 * than many a case: `node rootless-worker.js DIRECTORY LAYOUT`. Takes {names} as a message, and answers each with
 * a message of what came out.
 */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { plainSwitches } from '../../src/cli/declare/switches.js';
import { createProgram } from '../../src/cli/program.js';
import { reportError } from '../../src/cli/report.js';
import { WiacError } from '../../src/util/errors.js';
import { pickConfig, prepareContext, readCase } from './cases.js';
import { describeFiles, withMounted } from './describe.js';
import type { Outcome } from './rootless-messages.js';
import { BASE, VERIFY } from './rootless-messages.js';

const [directory = '', layout = ''] = process.argv.slice(2);

/** Gathers what is written to a stream. */
function capture(stream: NodeJS.WriteStream): {
  readonly text: () => string;
  readonly end: () => void;
} {
  const { write } = stream;
  let text = '';
  stream.write = (chunk: string | Uint8Array) => {
    text += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
    return true;
  };
  return {
    text: () => text,
    end: () => {
      stream.write = write;
    },
  };
}

/** What the command does, but for starting it. */
async function wiac(...words: string[]) {
  const [stdout, stderr] = [capture(process.stdout), capture(process.stderr)];
  let exitCode = 0;
  try {
    const program = createProgram((code) => {
      exitCode = code;
    }, words[0]);
    await program.parseAsync(plainSwitches(program, words), { from: 'user' });
  } catch (error) {
    if (!(error instanceof WiacError)) throw error;
    exitCode = await reportError(error, words[0], 'text');
  } finally {
    stdout.end();
    stderr.end();
  }
  return { exitCode, stdout: stdout.text(), stderr: stderr.text() };
}

async function succeed(...words: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await wiac(...words);
  if (exitCode !== 0) throw new Error(`wiac ${words.join(' ')}: exit code ${exitCode}: ${stderr}`);
  return stdout.trim();
}

async function inspect(lowerdirs: string, image: string) {
  const config = JSON.parse(await succeed('inspect', '--format', '{{json .Config}}', image));
  const files = await withMounted(lowerdirs, describeFiles, ['userxattr']);
  return { files: [...files], config: pickConfig(config) };
}

async function build(context: string, flags: readonly string[]) {
  const iid = join(directory, 'iid');
  const outcome = await wiac('build', '-q', '--iidfile', iid, ...flags, context);
  if (outcome.exitCode !== 0) return outcome;
  return { ...outcome, made: await inspect(outcome.stdout.trim(), readFileSync(iid, 'utf8')) };
}

async function buildCase(name: string) {
  const { args = [], wiac: more = [] } = readCase(name);
  const context = await prepareContext(name, mkdtempSync(join(directory, 'case-')));
  const flags = [...args, ...more].map((flag) => flag.replaceAll('{context}', context));
  return build(context, flags);
}

async function buildBase() {
  await succeed('pull', '-t', 'base', `oci-layout://${layout}:base`);
  const context = mkdtempSync(join(directory, 'base-'));
  writeFileSync(join(context, 'Dockerfile'), 'FROM base\n');
  return build(context, []);
}

async function tell(name: string, action: () => Promise<Omit<Outcome, 'name'>>): Promise<void> {
  const outcome = await action().catch((error: Error) => {
    return { exitCode: undefined, stdout: '', stderr: error.message };
  });
  process.send?.({ name, ...outcome });
}

async function answer(names: readonly string[]): Promise<void> {
  await tell(BASE, buildBase);
  for (const name of names) await tell(name, () => buildCase(name));
  await tell(VERIFY, () => wiac('cache', 'verify', '--format=json'));
  process.disconnect();
}

process.on('message', (names: readonly string[]) => void answer(names));
