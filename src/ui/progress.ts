/** Chooses how a build's progress is shown. Everything goes to stderr; stdout is the result's. */
import { randomBytes } from 'node:crypto';
import type { EventSink } from '../engine/events.js';
import type { GithubSettings } from './github.js';
import { heldText } from './held-text.js';
import { describeWarning, plainProgress } from './plain.js';

export const PROGRESS_MODES = [
  'auto',
  'tty',
  'plain',
  'github',
  'gitlab',
  'json',
  'rawjson',
  'quiet',
  'none',
] as const;
/** buildx's variable for the mode; --progress overrides it. */
export const PROGRESS_VARIABLE = 'BUILDKIT_PROGRESS';
export type ProgressMode = (typeof PROGRESS_MODES)[number];

/** A sink for events, and the function that ends the display. */
export interface Progress {
  readonly emit: EventSink;
  readonly close: () => void;
  /** Leaves the terminal to something else, until `resume`. */
  readonly pause: () => void;
  readonly resume: () => void;
}

function onlyWarnings(write: (text: string) => void): EventSink {
  return (event) => {
    if (event.type === 'warning') write(`${describeWarning(event.message)}\n`);
  };
}

/** Is the stream a terminal that can be drawn on, and not that of a CI job? */
export function isDrawable(
  { isTTY }: { isTTY?: boolean },
  { TERM, CI }: NodeJS.ProcessEnv,
): boolean {
  return isTTY === true && TERM !== 'dumb' && (CI ?? '') === '';
}

/** What workflow commands need of the job. @param write to the log */
export function githubSettings(write: (text: string) => void): GithubSettings {
  return {
    write,
    token: () => randomBytes(16).toString('hex'),
    workspace: process.env.GITHUB_WORKSPACE || undefined,
    directory: process.cwd(),
  };
}

/**
 * Chooses the progress display of builds.
 * @param log where it goes instead of standard error
 * @returns opens it, anew for each build
 */
export async function progressOpener(
  mode: ProgressMode,
  quiet: boolean,
  log?: (text: string) => void,
): Promise<() => Progress> {
  const { stderr } = process;
  const held = heldText(log ?? ((text: string) => void stderr.write(text)));
  // A file is nobody else's.
  const { hold: pause, release: resume } = log ? { hold: () => {}, release: () => {} } : held;
  const { write } = held;
  const showing = (emit: EventSink) => () => ({ emit, close: () => {}, pause, resume });
  if (mode === 'none') return showing(() => {});
  if (quiet || mode === 'quiet') return showing(onlyWarnings(write));
  if (mode === 'json') return showing((event) => write(`${JSON.stringify(event)}\n`));
  if (mode === 'rawjson') {
    const { rawJsonProgress } = await import('./rawjson.js');
    const writeStatus = (status: unknown) => write(`${JSON.stringify(status)}\n`);
    return () => showing(rawJsonProgress(writeStatus, () => new Date().toISOString()))();
  }
  if (!log && (mode === 'github' || mode === 'gitlab')) {
    const { groupedProgress } = await import('./grouped.js');
    if (mode === 'github') {
      const { githubWriter } = await import('./github.js');
      return () => ({ ...groupedProgress(githubWriter(githubSettings(write))), pause, resume });
    }
    const { gitlabWriter } = await import('./gitlab.js');
    const clock = () => Math.floor(Date.now() / 1000);
    return () => ({ ...groupedProgress(gitlabWriter(write, clock)), pause, resume });
  }
  if (!log && (mode === 'tty' || (mode === 'auto' && isDrawable(stderr, process.env)))) {
    const { ttyProgress, usesColour } = await import('./tty.js');
    const colour = usesColour(process.env);
    return () => ttyProgress(stderr, colour);
  }
  return () => showing(plainProgress(write))();
}
