/** One line of advice at the end of a build, when something is clearly wasteful. Pure. */
import type { BuildView, StepView } from './build-view.js';

/** Commands that fetch what a list of dependencies names, and where each keeps what it has fetched. */
const INSTALLERS: readonly (readonly [RegExp, string | undefined])[] = [
  [/\bnpm (?:ci|install|i)\b/, '/root/.npm'],
  [/\byarn(?: install)?\b/, '/usr/local/share/.cache/yarn'],
  [/\bpnpm (?:i|install)\b/, '/root/.local/share/pnpm/store'],
  [/\bpip3? install\b/, '/root/.cache/pip'],
  [/\bpoetry install\b/, '/root/.cache/pypoetry'],
  [/\buv sync\b/, '/root/.cache/uv'],
  [/\bgo mod download\b/, '/go/pkg/mod'],
  [/\bcargo fetch\b/, '/usr/local/cargo/registry'],
  [/\bcomposer install\b/, '/root/.composer/cache'],
  [/\b(?:bundle install|apt-get install|apk add|dnf install)\b/, undefined],
];

/** Directories of a project that are no part of what is built. */
const NO_SOURCES = /^(?:.*\/)?(\.git|node_modules|__pycache__|\.venv|\.idea|\.vscode)(?:\/|$)/;

/** A program that only changes owners or permissions, of all files below some directory. */
const CHANGES_ALL = /^RUN\s+(?:--\S+\s+)*(chown|chmod)\s+(?:-\S+\s+)*-\w*R/i;

/** What is fetched again in less is not worth a line. ms */
const LONG_MS = 10_000;
/** A layer that is larger. Bytes */
const LARGE = 10_000_000;

/** The step that this one continues. */
function below(view: BuildView, { step }: StepView): StepView | undefined {
  return step.parent === undefined ? undefined : view.steps.get(step.parent);
}

/** Does a COPY take a whole context or directory of it? */
function takesAll({ step }: StepView): boolean {
  return (
    step.kind === 'copy' &&
    step.from === undefined &&
    /^COPY\s+(?:--\S+\s+)*\.\/?\s/i.test(step.text)
  );
}

/** The COPY of everything that made a step run again, if that is what it was. */
function changedCopy(view: BuildView, shown: StepView): StepView | undefined {
  for (let at = below(view, shown); at?.status === 'done'; at = below(view, at))
    if (at.changedFile !== undefined && takesAll(at)) return at;
  return undefined;
}

/** @returns undefined where there is nothing to say of the step */
type Adviser = (shown: StepView, view: BuildView) => string | undefined;

/** What is no source changed, and a COPY of everything ran for it. */
const ignoreIt: Adviser = ({ name, changedFile, step }) => {
  const found = changedFile === undefined ? null : NO_SOURCES.exec(changedFile);
  if (!found || step.kind !== 'copy' || step.from !== undefined) return undefined;
  return `${name} ran because a file in ${found[1]} changed. Put ${found[1]} into .dockerignore if nothing in the image needs it.`;
};

/** Packages are installed again because a file changed that does not name any. */
const listsFirst: Adviser = (shown, view) => {
  if (!INSTALLERS.some(([command]) => command.test(shown.step.text))) return undefined;
  const copy = changedCopy(view, shown);
  return (
    copy &&
    `${shown.name} installs again whenever any file changes, because ${copy.name} copies all of them before it. Copy only the files that list its packages there, and the others behind it.`
  );
};

/** Files are in the image twice, because their owner or mode was changed by a step of its own. */
const ownedAtOnce: Adviser = ({ name, step, bytes }) => {
  const command = CHANGES_ALL.exec(step.text)?.[1]?.toLowerCase();
  if (command === undefined || bytes < LARGE) return undefined;
  return `the layer of ${name} has ${Math.round(bytes / 1e6)} MB of files once more. COPY --${command} makes them as they are to be.`;
};

/** A program fetched once more what it had fetched before. */
const keepDownloads: Adviser = ({ name, step, durationMs, isAgain }) => {
  const directory = INSTALLERS.find(([command]) => command.test(step.text))?.[1];
  const isLong = isAgain && durationMs >= LONG_MS;
  if (directory === undefined || !isLong || step.text.includes('type=cache')) return undefined;
  return `${name} fetches everything anew each time. RUN --mount=type=cache,target=${directory} keeps what it has fetched.`;
};

const ADVISERS: readonly [StepView['step']['kind'], Adviser][] = [
  ['copy', ignoreIt],
  ['run', listsFirst],
  ['run', ownedAtOnce],
  ['run', keepDownloads],
];

/** What is clearly wasteful; undefined when nothing is. */
export function adviceFor(view: BuildView): string | undefined {
  const ran = [...view.steps.values()].filter(({ status }) => status === 'done');
  for (const [kind, advise] of ADVISERS)
    for (const shown of ran) {
      const advice = shown.step.kind === kind ? advise(shown, view) : undefined;
      if (advice !== undefined) return advice;
    }
  return undefined;
}
