/**
 * Logs of GitHub Actions (also Gitea and Forgejo): workflow commands, each a line that begins with `::`
 * (GitHub's reference, "Workflow commands"). A program's output could have such lines as well; between
 * `::stop-commands::TOKEN` and `::TOKEN::` they are text.
 */
import { isAbsolute, relative, resolve } from 'node:path';
import type { BuildEvent } from '../engine/events.js';
import type { SourceLocation, WiacError } from '../util/errors.js';
import { StepFailedError } from '../util/errors.js';
import { withoutCredentials } from '../util/redact.js';
import type { GroupWriter } from './grouped.js';
import { describeError, errorLocation } from './report-error.js';
import { shownLine } from './terminal-text.js';

/** GitHub shows ten annotations of a kind for each step of a job; all of them are in the log. */
const MAX_ANNOTATIONS = 50;
const MAX_MESSAGE = 4000;

function escapeData(text: string): string {
  return text.replace(/%/g, '%25').replace(/\r/g, '%0D').replace(/\n/g, '%0A');
}

function escapeProperty(text: string): string {
  return escapeData(text).replace(/:/g, '%3A').replace(/,/g, '%2C');
}

/** A workflow command, without the line feed. */
export function workflowCommand(
  name: string,
  properties: Readonly<Record<string, string | number>>,
  data: string,
): string {
  const list = Object.entries(properties).map(
    ([property, value]) => `${property}=${escapeProperty(String(value))}`,
  );
  return `::${name}${list.length === 0 ? '' : ` ${list.join()}`}::${escapeData(data)}`;
}

/** What this display needs of where it runs. */
export interface GithubSettings {
  /** Writes to the log. */
  readonly write: (text: string) => void;
  /** A word that nobody can guess, another one each time. */
  readonly token: () => string;
  /** The checkout, which paths of annotations are relative to; $GITHUB_WORKSPACE. */
  readonly workspace: string | undefined;
  /** What paths of locations are relative to. */
  readonly directory: string;
}

/** A writer of logs with commands. */
export interface GithubWriter extends GroupWriter {
  readonly command: (...command: Parameters<typeof workflowCommand>) => void;
  /** Lets commands be commands again; the log may go on with those of others. */
  readonly close: () => void;
}

/** Where in the checkout a place is. */
function placeOf(
  { file, line, endLine }: Pick<SourceLocation, 'file' | 'line'> & { readonly endLine?: number },
  { workspace, directory }: GithubSettings,
): Record<string, string | number> {
  const path = resolve(directory, file);
  const inside = workspace === undefined ? file : relative(resolve(workspace), path);
  const isOutside = inside.startsWith('..') || isAbsolute(inside);
  return {
    file: isOutside ? file : inside,
    line,
    ...(endLine === undefined || endLine === line ? {} : { endLine }),
  };
}

/** Opens a log. */
export function githubWriter(settings: GithubSettings): GithubWriter {
  const { write, token } = settings;
  let stopped: string | undefined;
  const text = (lines: string): void => {
    if (stopped === undefined) {
      stopped = token();
      write(`::stop-commands::${stopped}\n`);
    }
    write(`${lines}\n`);
  };
  const close = (): void => {
    if (stopped !== undefined) write(`::${stopped}::\n`);
    stopped = undefined;
  };
  const command: GithubWriter['command'] = (...parts) => {
    close();
    write(`${workflowCommand(...parts)}\n`);
  };
  return {
    text,
    command,
    close,
    begin: (title) => command('group', {}, title),
    end: () => command('endgroup', {}, ''),
    warn: (message) => command('warning', {}, withoutCredentials(message)),
    annotate: ({ warnings }: BuildEvent & { readonly type: 'lint' }) => {
      for (const { rule, detail, url, file, line } of warnings.slice(0, MAX_ANNOTATIONS))
        command(
          'warning',
          { ...placeOf({ file, line }, settings), title: rule },
          `${detail}\n${url}`,
        );
      const more = warnings.length - MAX_ANNOTATIONS;
      if (more > 0) text(`and ${more} more: wiac build --check shows all of them`);
    },
  };
}

/** Writes an error: an annotation at its line, and the text that others get. */
export function githubError(
  settings: GithubSettings,
  error: WiacError,
  lines: readonly string[] | undefined,
): void {
  const writer = githubWriter(settings);
  const location = errorLocation(error);
  const said =
    error instanceof StepFailedError ? error.lastLines.map((line) => shownLine(line)) : [];
  const hint = error.hint === undefined ? [] : [`hint: ${error.hint}`];
  const message = withoutCredentials([error.message, ...said, ...hint].join('\n'));
  writer.text(describeError(error, lines).trimEnd());
  writer.command(
    'error',
    { ...(location ? placeOf(location, settings) : {}), title: `wiac: ${error.code}` },
    message.length <= MAX_MESSAGE ? message : `${message.slice(0, MAX_MESSAGE)}...`,
  );
}
