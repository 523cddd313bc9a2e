/** Keys that work everywhere on the page. */
import { closeSearch, focusSearch } from './search-box.js';
import { select, selected } from './state.js';
import { switchTheme } from './theme.js';

function isTyping({ target }: KeyboardEvent): boolean {
  return target instanceof HTMLInputElement || target instanceof HTMLSelectElement;
}

/** What is on top is closed: what was found, then the step. */
function closeOne(): void {
  if (closeSearch()) return;
  const { activeElement } = document;
  if (activeElement instanceof HTMLInputElement) activeElement.blur();
  const id = selected.value;
  select(undefined);
  // Who moved through the view goes on from there.
  if (id !== undefined) document.querySelector<HTMLElement>(`#view [data-step="${id}"]`)?.focus();
}

export function listenToKeys(): void {
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === 'Escape') closeOne();
    else if (isTyping(event)) return;
    else if (event.key === '/') focusSearch();
    else if (event.key === 't') switchTheme();
    else return;
    event.preventDefault();
  });
}
