/** Which layers hold a file, in which version. */
import { batch, signal } from '@preact/signals';
import type { FileLine, FoundFiles, UiProblem } from '../../serve/ui-data.js';
import { formatBytes } from '../../ui/format.js';
import { plural } from '../wording.js';
import { ask, problemOf } from './ask-server.js';
import { Problem } from './frame.js';

const wanted = signal('');
const found = signal<FoundFiles | undefined>(undefined);
const problem = signal<UiProblem | undefined>(undefined);
const isBusy = signal(false);

async function find(): Promise<void> {
  isBusy.value = true;
  let answer: FoundFiles | undefined;
  let refused: UiProblem | undefined;
  try {
    answer = await ask<FoundFiles>(`/api/files?${new URLSearchParams({ wanted: wanted.value })}`);
  } catch (error) {
    refused = problemOf(error);
  }
  batch(() => {
    isBusy.value = false;
    found.value = answer;
    problem.value = refused;
  });
}

function Row({ file }: { readonly file: FileLine }) {
  const { path, type, mode, size, digest, instruction, layer } = file;
  return (
    <tr>
      <td class="text path" title={path}>
        {path}
      </td>
      <td class="quiet">{type === 'file' ? mode : `${type} ${mode}`}</td>
      <td class="number">{type === 'file' ? formatBytes(size) : ''}</td>
      <td>
        <code title={digest}>{digest?.replace('sha256:', '').slice(0, 12)}</code>
      </td>
      <td>
        <code>{layer}</code>
      </td>
      <td class="text">
        <code title={instruction}>{instruction}</code>
      </td>
    </tr>
  );
}

function Table({ of: { files, more } }: { readonly of: FoundFiles }) {
  if (files.length === 0) return <p class="quiet">No layer holds it.</p>;
  return (
    <>
      <p class="quiet">
        {more ? `The first ${files.length} of many.` : `${plural(files.length, 'place')}.`}
      </p>
      <div class="scrolls">
        <table class="rows">
          <thead>
            <tr>
              {['path', 'mode', 'size', 'digest', 'layer', 'instruction'].map((name) => (
                <th key={name} scope="col" class={name === 'size' ? 'number' : undefined}>
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {files.map((file) => (
              <Row key={`${file.layer} ${file.path}`} file={file} />
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

export function FilesSearch() {
  return (
    <section class="files-search">
      <form
        class="bar-line"
        onSubmit={(event) => {
          event.preventDefault();
          void find();
        }}
      >
        <search class="search">
          <input
            id="search"
            type="text"
            placeholder="busybox, /etc/*.conf, sha256:…"
            aria-label="Name, path or digest of a file"
            autocomplete="off"
            spellcheck={false}
            value={wanted.value}
            onInput={({ currentTarget }) => {
              wanted.value = currentTarget.value;
            }}
          />
          <kbd>/</kbd>
        </search>
        <button type="submit" class="push" disabled={isBusy.value}>
          {isBusy.value ? 'Looking …' : 'Find'}
        </button>
        <span class="quiet">
          A name, a path with wildcards as COPY has them, or the beginning of a digest.
        </span>
      </form>
      <Problem problem={problem.value} />
      {found.value ? <Table of={found.value} /> : null}
    </section>
  );
}
