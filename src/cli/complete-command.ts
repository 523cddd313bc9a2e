/** `wiac __complete`: what the scripts of shells ask. It never fails: a shell has nowhere to say so. */
import { statSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import type { Command } from 'commander';
import { parseDockerfile } from '../dockerfile/parse-dockerfile.js';
import { planBuild } from '../engine/ask.js';
import { listBuilds } from '../engine/history/read-builds.js';
import { usualPath } from '../engine/inputs/find-dockerfile.js';
import { splitStages } from '../plan/stages.js';
import { listEntries } from '../store/entries/cache-queries.js';
import { allNames, familiarName } from '../store/images/store-images.js';
import { mountRecords } from '../store/pins/cache-mounts.js';
import type { Store } from '../store/store.js';
import { shownText } from '../ui/terminal-text.js';
import { readSettings } from '../util/regular-file.js';
import type { Candidate, Completion, Kind } from './complete-words.js';
import { completeWords } from './complete-words.js';
import { withStore } from './with-store.js';

/** Nobody reads more, and a shell asks before it shows so many. */
const MOST = 500;
const KEY_DIGITS = 12;
/** Somebody waits who has pressed a key. ms */
const PATIENCE_MS = 2000;

/** The context of a command line: its first operand, here where there is none. @throws when there is no file */
function contextOf({ operands, values }: Completion): { context: string; file: string } {
  const [context = '.'] = operands;
  const file = values.get('--file') ?? usualPath(context);
  // A pipe or a device without an end would keep the shell from its next key.
  if (!statSync(file).isFile()) throw new Error(`${file} is no file`);
  return { context, file };
}

function stages(completion: Completion): Candidate[] {
  const { file } = contextOf(completion);
  const { stages: all } = splitStages(parseDockerfile(readSettings(file).toString(), file));
  return all.flatMap(({ name, from }) =>
    name === undefined ? [] : [{ word: name, text: `FROM ${from.image}` }],
  );
}

async function steps(store: Store, completion: Completion): Promise<Candidate[]> {
  const { context, file } = contextOf(completion);
  const target = completion.values.get('--target');
  const { plan } = await planBuild(store, { context, file, target, pull: 'never' });
  return plan.steps.map(({ id, text }) => ({ word: id, text: text.split('\n')[0] ?? '' }));
}

/** What there is of a kind. @throws what reading it throws */
async function lookUp(store: Store, kind: Kind, completion: Completion): Promise<Candidate[]> {
  switch (kind) {
    case 'stage':
      return stages(completion);
    case 'step':
      return steps(store, completion);
    case 'image':
      return [...allNames(store)].map(({ name }) => ({ word: familiarName(name), text: 'image' }));
    case 'key':
      return [...listEntries(store, {}, Date.now())]
        .slice(0, MOST)
        .map(({ key, text }) => ({ word: key.slice(0, KEY_DIGITS), text }));
    case 'mount':
      return mountRecords(store).map(({ id }) => ({ word: id, text: 'cache mount' }));
    case 'build': {
      const found: Candidate[] = [{ word: 'last', text: 'the last build' }];
      for await (const { header } of listBuilds(store)) {
        if (found.length >= MOST) break;
        found.push({ word: header.id, text: header.context });
      }
      return found;
    }
  }
}

/** One line a candidate. Names and instructions come from anybody. */
function line({ word, text }: Candidate): string {
  const plain = (value: string) => shownText(value).replace(/\s+/g, ' ');
  return `${plain(word)}\t${plain(text)}\n`;
}

/**
 * Prints what can stand at the cursor.
 * @param program with all commands
 * @param words after the program's name; the last one is the one at the cursor, maybe empty
 */
export async function completeCommand(program: Command, words: readonly string[]): Promise<void> {
  const completion = completeWords(program, words);
  const { wanted, candidates, files } = completion;
  const found = [...candidates];
  const current = words.at(-1) ?? '';
  const search = async (): Promise<void> => {
    if (!wanted) return;
    await withStore(async (store) => {
      for (const { word, text } of await lookUp(store, wanted.kind, completion))
        if (`${wanted.prefix}${word}`.startsWith(current))
          found.push({ word: wanted.prefix + word, text });
    });
  };
  // A Dockerfile that is wrong, a store that is not there: nothing is known then.
  const searching = search().catch(() => {});
  await Promise.race([searching, setTimeout(PATIENCE_MS, undefined, { ref: false })]);
  process.stdout.write(found.slice(0, MOST).map(line).join(''));
  if (files) process.stdout.write(':files\n');
}
