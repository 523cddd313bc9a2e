/**
 * Builds cases as an ordinary user, all in one process in a user namespace, because starting it takes longer
 * than many a case: `node rootless-worker.js DIRECTORY LAYOUT`. Takes {names} as a message, and answers each with
 * a message of what came out.
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { commandHere } from '../support/command-here.js';
import { pickConfig, prepareContext, readCase } from './cases.js';
import { describeFiles, withMounted } from './describe.js';
import type { Outcome } from './rootless-messages.js';
import { BASE, VERIFY } from './rootless-messages.js';

/** The name of the last image. */
const MADE = 'made';

const [directory = '', layout = ''] = process.argv.slice(2);

async function succeed(...words: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await commandHere(...words);
  if (exitCode !== 0) throw new Error(`wiac ${words.join(' ')}: exit code ${exitCode}: ${stderr}`);
  return stdout.trim();
}

async function inspect(lowerdirs: string, image: string) {
  const config = JSON.parse(await succeed('inspect', '--format', '{{json .Config}}', image));
  const files = await withMounted(lowerdirs, describeFiles, ['userxattr']);
  return { files: [...files], config: pickConfig(config) };
}

async function build(context: string, flags: readonly string[]) {
  // By its id, an image would be looked for among those of all cases.
  const outcome = await commandHere('build', '-q', '-t', MADE, ...flags, context);
  if (outcome.exitCode !== 0) return outcome;
  return { ...outcome, made: await inspect(outcome.stdout.trim(), MADE) };
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
  await tell(VERIFY, () => commandHere('cache', 'verify', '--format=json'));
  process.disconnect();
}

process.on('message', (names: readonly string[]) => void answer(names));
