/** Light or dark: as the system has it, until somebody chooses. */
import { effect, signal } from '@preact/signals';

type Theme = 'light' | 'dark';

const KEPT = 'wiac-theme';

/** Pages of files may have no storage. */
function kept(): Theme | undefined {
  try {
    const value = localStorage.getItem(KEPT);
    return value === 'light' || value === 'dark' ? value : undefined;
  } catch {
    return undefined;
  }
}

const system = matchMedia('(prefers-color-scheme: dark)');
const chosen = signal(kept());
const ofSystem = signal<Theme>(system.matches ? 'dark' : 'light');
system.addEventListener('change', () => {
  ofSystem.value = system.matches ? 'dark' : 'light';
});

export const getTheme = (): Theme => chosen.value ?? ofSystem.value;

export function switchTheme(): void {
  const next = getTheme() === 'dark' ? 'light' : 'dark';
  chosen.value = next;
  try {
    localStorage.setItem(KEPT, next);
  } catch {
    // It lasts as long as the page.
  }
}

effect(() => {
  document.documentElement.style.colorScheme = chosen.value ?? '';
});
