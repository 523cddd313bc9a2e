/** What all pages of `wiac ui` have in common. */
import type { ComponentChildren } from 'preact';
import type { UiProblem } from '../../serve/ui-data.js';
import { getTheme, switchTheme } from '../theme.js';

/** Where one can go. */
export function Nav({ here }: { readonly here: 'builds' | 'store' | 'build' }) {
  return (
    <nav class="nav" aria-label="Pages">
      <span class="maker">wiac</span>
      <a href="/" aria-current={here === 'builds' ? 'page' : undefined}>
        Builds
      </a>
      <a href="/store" aria-current={here === 'store' ? 'page' : undefined}>
        Store
      </a>
    </nav>
  );
}

export function Problem({ problem }: { readonly problem: UiProblem | undefined }) {
  return problem ? (
    <div class="problem" role="alert">
      <p>{problem.message}</p>
      {problem.hint === undefined ? null : <p class="quiet">{problem.hint}</p>}
    </div>
  ) : null;
}

interface Props {
  readonly here: 'builds' | 'store';
  /** In the head. */
  readonly head: ComponentChildren;
  readonly children: ComponentChildren;
}

/** A page that is no report. */
export function Page({ here, head, children }: Props) {
  return (
    <>
      <header class="ui-head">
        <div class="top">
          <Nav here={here} />
          <span class="what" />
          <button type="button" class="plain" id="theme" title="t" onClick={switchTheme}>
            {getTheme() === 'dark' ? 'Light' : 'Dark'}
          </button>
        </div>
        {head}
      </header>
      <main class="ui-main">{children}</main>
    </>
  );
}
