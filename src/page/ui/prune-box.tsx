/** What a prune would remove, and the button that does it. */
import { batch, signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { PruneOutcome, PruneTexts, UiProblem } from '../../serve/ui-data.js';
import { formatAge, formatBytes } from '../../ui/format.js';
import { plural } from '../wording.js';
import { problemOf, tell } from './ask-server.js';
import { Problem } from './frame.js';

const options = signal<PruneTexts>({});
/** What would go with these options. */
const preview = signal<PruneOutcome | undefined>(undefined);
const done = signal<PruneOutcome | undefined>(undefined);
const problem = signal<UiProblem | undefined>(undefined);
const isBusy = signal(false);
const isAsking = signal(false);

type Field = Exclude<keyof PruneTexts, 'all'>;

const FIELDS: readonly (readonly [name: Field, label: string, hint: string])[] = [
  ['keepBytes', 'keep bytes', '20G'],
  ['keepDays', 'keep days', '30'],
  ['filter', 'instruction has', 'apt-get'],
  ['unused', 'unused for', '7d'],
  ['older', 'older than', '7d'],
  ['newer', 'newer than', '2h'],
  ['larger', 'larger than', '10M'],
  ['smaller', 'smaller than', '1G'],
];

/** A preview is that of its options alone. */
function change(next: PruneTexts): void {
  batch(() => {
    options.value = next;
    preview.value = undefined;
    done.value = undefined;
    problem.value = undefined;
  });
}

async function run(path: string, into: typeof preview): Promise<boolean> {
  isBusy.value = true;
  let answer: PruneOutcome | undefined;
  let refused: UiProblem | undefined;
  try {
    answer = await tell<PruneOutcome>(path, options.value);
  } catch (error) {
    refused = problemOf(error);
  }
  batch(() => {
    isBusy.value = false;
    preview.value = undefined;
    done.value = undefined;
    into.value = answer;
    problem.value = refused;
  });
  return answer !== undefined;
}

function Options() {
  const all = options.value.all === true;
  return (
    <form
      class="prune-options"
      onSubmit={(event) => {
        event.preventDefault();
        void run('/api/prune/preview', preview);
      }}
    >
      {FIELDS.map(([name, label, hint]) => (
        <label key={name}>
          {label}
          <input
            type="text"
            name={name}
            placeholder={hint}
            autocomplete="off"
            disabled={all}
            value={options.value[name] ?? ''}
            onInput={({ currentTarget }) =>
              change({ ...options.value, [name]: currentTarget.value })
            }
          />
        </label>
      ))}
      <label class="check">
        <input
          type="checkbox"
          name="all"
          checked={all}
          onChange={({ currentTarget }) => change(currentTarget.checked ? { all: true } : {})}
        />{' '}
        all that may go, cache mounts as well
      </label>
      <button type="submit" class="push" disabled={isBusy.value}>
        Preview
      </button>
    </form>
  );
}

function Items({ of: { items, count } }: { readonly of: PruneOutcome }) {
  const now = Date.now();
  return (
    <>
      <div class="scrolls">
        <table class="rows">
          <thead>
            <tr>
              <th scope="col">kind</th>
              <th scope="col">id</th>
              <th scope="col" class="number">
                used
              </th>
              <th scope="col" class="number">
                frees
              </th>
              <th scope="col">what</th>
            </tr>
          </thead>
          <tbody>
            {items.map(({ kind, id, lastUsed, bytes, text }) => (
              <tr key={`${kind} ${id}`}>
                <td>{kind}</td>
                <td>
                  <code title={id}>{id.slice(0, 12)}</code>
                </td>
                <td class="number">{lastUsed === 0 ? '' : formatAge(now - lastUsed)}</td>
                <td class="number">{formatBytes(bytes)}</td>
                <td class="text">
                  <code title={text}>{text}</code>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {count > items.length ? (
        <p class="quiet">And {(count - items.length).toLocaleString('en')} smaller ones.</p>
      ) : null}
    </>
  );
}

const sizeOf = ({ count, freed }: PruneOutcome) =>
  `${plural(count, 'item')}, ${formatBytes(freed)}`;

function Confirm({ of, onYes }: { readonly of: PruneOutcome; readonly onYes: () => void }) {
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => box.current?.showModal(), []);
  const close = () => {
    isAsking.value = false;
  };
  return (
    <dialog ref={box} onClose={close} aria-label="Confirm">
      <h2>Remove {sizeOf(of)}?</h2>
      <p class="quiet">Builds make again what they need of it. It can’t be undone.</p>
      <p class="choices">
        <button type="button" class="push" onClick={close}>
          Cancel
        </button>
        <button
          type="button"
          class="push bad"
          onClick={() => {
            close();
            onYes();
          }}
        >
          Remove
        </button>
      </p>
    </dialog>
  );
}

function Preview({ of, onPruned }: { readonly of: PruneOutcome; readonly onPruned: () => void }) {
  return (
    <>
      <div class="bar-line">
        <h2 id="preview">{of.count === 0 ? 'Nothing would go' : `Would remove ${sizeOf(of)}`}</h2>
        {of.count === 0 ? null : (
          <button
            type="button"
            class="push bad"
            disabled={isBusy.value}
            onClick={() => {
              isAsking.value = true;
            }}
          >
            Remove …
          </button>
        )}
      </div>
      {of.warning === undefined ? null : <p class="quiet">{of.warning}</p>}
      {of.count === 0 ? null : <Items of={of} />}
      {isAsking.value ? (
        <Confirm
          of={of}
          onYes={async () => {
            if (await run('/api/prune', done)) onPruned();
          }}
        />
      ) : null}
    </>
  );
}

export function PruneBox({ onPruned }: { readonly onPruned: () => void }) {
  return (
    <section class="prune">
      <p class="lead quiet">
        As <code>wiac cache prune</code>: without options it does what the config file says. What a
        named image or a running process needs stays.
      </p>
      <Options />
      <Problem problem={problem.value} />
      {preview.value ? <Preview of={preview.value} onPruned={onPruned} /> : null}
      {done.value ? (
        <>
          <h2 id="pruned">Removed {sizeOf(done.value)}</h2>
          {done.value.warning === undefined ? null : <p class="quiet">{done.value.warning}</p>}
        </>
      ) : null}
    </section>
  );
}
