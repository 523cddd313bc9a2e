/** Search in steps, files and output. */
import { computed, signal, useSignal } from '@preact/signals';
import { find, type Hit } from './search.js';
import { build, select } from './state.js';

const query = signal('');
const isOpen = signal(false);
const found = computed(() => find(build.value.steps, query.value));

const KINDS: readonly (readonly [Hit['kind'], string])[] = [
  ['step', 'Steps'],
  ['file', 'Files'],
  ['log', 'Output'],
];

export function focusSearch(): void {
  const input = document.getElementById('search');
  if (input instanceof HTMLInputElement) {
    input.focus();
    input.select();
  }
}

/** @returns whether there was anything to close */
export function closeSearch(): boolean {
  const was = isOpen.value;
  isOpen.value = false;
  return was;
}

function open({ step, line }: Hit): void {
  select(step, line);
  closeSearch();
}

interface RowProps {
  readonly hit: Hit;
  readonly index: number;
  readonly isActive: boolean;
}

function Row({ hit, index, isActive }: RowProps) {
  return (
    <button
      type="button"
      role="option"
      id={`hit-${index}`}
      aria-selected={isActive}
      tabIndex={-1}
      onMouseDown={(event) => event.preventDefault()}
      onClick={() => open(hit)}
      ref={(element) => {
        if (isActive) element?.scrollIntoView({ block: 'nearest' });
      }}
    >
      <span class="step-name">{hit.name}</span>
      <code>{hit.text}</code>
    </button>
  );
}

function Hits({ active }: { readonly active: number }) {
  const { hits, counts } = found.value;
  if (hits.length === 0) return <p class="nothing">Nothing found.</p>;
  return (
    <>
      {KINDS.map(([kind, title]) => {
        const own = hits.filter((hit) => hit.kind === kind);
        if (own.length === 0) return null;
        const more =
          counts[kind] > own.length ? `, the first ${own.length} of ${counts[kind]}` : '';
        return (
          <section key={kind} aria-label={title}>
            <h3>
              {title}
              {more}
            </h3>
            {own.map((hit) => {
              const index = hits.indexOf(hit);
              return <Row key={index} hit={hit} index={index} isActive={index === active} />;
            })}
          </section>
        );
      })}
    </>
  );
}

export function SearchBox() {
  const active = useSignal(0);
  const { hits } = found.value;
  const onKeyDown = (event: KeyboardEvent): void => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined && hits.length > 0) {
      active.value = (active.value + step + hits.length) % hits.length;
    } else if (event.key === 'Enter') {
      const hit = hits[active.value];
      if (hit) open(hit);
    } else return;
    event.preventDefault();
  };
  const isShown = isOpen.value && query.value.trim() !== '';
  return (
    <search class="search">
      <input
        id="search"
        type="text"
        placeholder="Search steps, files, output"
        aria-label="Search steps, files and output"
        autocomplete="off"
        spellcheck={false}
        // biome-ignore lint/a11y/noRedundantRoles: there is no list of the browser's own
        role="combobox"
        list={undefined}
        aria-expanded={isShown}
        aria-controls="hits"
        aria-activedescendant={isShown && hits.length > 0 ? `hit-${active.value}` : undefined}
        value={query.value}
        onInput={({ currentTarget }) => {
          query.value = currentTarget.value;
          active.value = 0;
          isOpen.value = true;
        }}
        onFocus={() => {
          isOpen.value = true;
        }}
        onBlur={closeSearch}
        onKeyDown={onKeyDown}
      />
      <kbd>/</kbd>
      <div id="hits" role="listbox" aria-label="What was found" hidden={!isShown}>
        {isShown ? <Hits active={active.value} /> : null}
      </div>
    </search>
  );
}
