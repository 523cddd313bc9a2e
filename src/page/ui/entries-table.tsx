/** The entries of the cache: sorted, searched, and a hundred at a time. */
import { batch, signal } from '@preact/signals';
import type { EntryPage, EntrySort, UiProblem } from '../../serve/ui-data.js';
import { formatAge, formatBytes, formatDuration } from '../../ui/format.js';
import { plural } from '../wording.js';
import { ask, problemOf } from './ask-server.js';
import { Problem } from './frame.js';

/** Rows at a time. */
const COUNT = 100;

const page = signal<EntryPage | undefined>(undefined);
const problem = signal<UiProblem | undefined>(undefined);
const words = signal('');
const sort = signal<EntrySort>('created');
const reverse = signal(false);

let asking = new AbortController();

/** Only the last question is answered. */
export async function loadEntries(offset = 0): Promise<void> {
  asking.abort();
  asking = new AbortController();
  const query = new URLSearchParams({
    text: words.peek(),
    sort: sort.peek(),
    reverse: reverse.peek() ? '1' : '0',
    offset: String(offset),
    count: String(COUNT),
  });
  try {
    const answer = await ask<EntryPage>(`/api/entries?${query}`, asking.signal);
    batch(() => {
      page.value = answer;
      problem.value = undefined;
    });
  } catch (error) {
    problem.value = problemOf(error) ?? problem.peek();
  }
}

function sortBy(column: EntrySort): void {
  reverse.value = sort.value === column && !reverse.value;
  sort.value = column;
  void loadEntries();
}

const COLUMNS: readonly (readonly [sort: EntrySort, name: string])[] = [
  ['size', 'size'],
  ['time', 'took'],
  ['hits', 'hits'],
  ['used', 'used'],
  ['created', 'made'],
];

function Head() {
  return (
    <thead>
      <tr>
        <th scope="col">key</th>
        <th scope="col">instruction</th>
        <th scope="col" class="number">
          files
        </th>
        {COLUMNS.map(([column, name]) => {
          const direction = reverse.value ? 'ascending' : 'descending';
          return (
            <th
              key={column}
              scope="col"
              class="number"
              aria-sort={sort.value === column ? direction : 'none'}
            >
              <button type="button" onClick={() => sortBy(column)}>
                {name}
                <span aria-hidden="true">
                  {sort.value === column ? (reverse.value ? ' ↑' : ' ↓') : ''}
                </span>
              </button>
            </th>
          );
        })}
      </tr>
    </thead>
  );
}

function Rows({ of }: { readonly of: EntryPage }) {
  const now = Date.now();
  return (
    <tbody>
      {of.entries.map(({ key, text, files, bytes, took, hits, lastUsed, created }) => (
        <tr key={key}>
          <td>
            <code title={key}>{key.slice(0, 12)}</code>
          </td>
          <td class="text">
            <code title={text}>{text}</code>
          </td>
          <td class="number">{files.toLocaleString('en')}</td>
          <td class="number">{formatBytes(bytes)}</td>
          <td class="number">{formatDuration(took)}</td>
          <td class="number">{hits}</td>
          <td class="number">{formatAge(now - lastUsed)}</td>
          <td class="number">{formatAge(now - created)}</td>
        </tr>
      ))}
    </tbody>
  );
}

function Pager({ of: { offset, total, entries, bytes } }: { readonly of: EntryPage }) {
  const end = offset + entries.length;
  return (
    <p class="pager">
      <span class="quiet">
        {total <= COUNT
          ? plural(total, 'entry', 'entries')
          : `${(offset + 1).toLocaleString('en')} to ${end.toLocaleString('en')} of ${plural(total, 'entry', 'entries')}`}
        , {formatBytes(bytes)}
      </span>
      {total > COUNT ? (
        <>
          <button
            type="button"
            class="plain"
            disabled={offset === 0}
            onClick={() => loadEntries(Math.max(0, offset - COUNT))}
          >
            Previous
          </button>
          <button
            type="button"
            class="plain"
            disabled={end >= total}
            onClick={() => loadEntries(end)}
          >
            Next
          </button>
        </>
      ) : null}
    </p>
  );
}

export function EntriesTable() {
  const { value } = page;
  return (
    <section class="entries">
      <div class="bar-line">
        <search class="search">
          <input
            id="search"
            type="text"
            placeholder="Instruction, or beginning of a key"
            aria-label="Search entries"
            autocomplete="off"
            spellcheck={false}
            value={words.value}
            onInput={({ currentTarget }) => {
              words.value = currentTarget.value;
              void loadEntries();
            }}
          />
          <kbd>/</kbd>
        </search>
        {value ? <Pager of={value} /> : null}
      </div>
      <Problem problem={problem.value} />
      {value ? (
        <div class="scrolls">
          <table class="rows">
            <Head />
            <Rows of={value} />
          </table>
        </div>
      ) : null}
    </section>
  );
}
