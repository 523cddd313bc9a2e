/** Asks the server of this page. */
import { TOKEN_HEADER, type UiProblem } from '../../serve/ui-data.js';
import { takeEvents } from './event-stream.js';

const KEPT = 'wiac-token';

/** The address has it at first; then it is kept for this origin, of which the port is a part. */
function takeToken(): string {
  const given = new URLSearchParams(location.search).get('token');
  try {
    if (given === null) return localStorage.getItem(KEPT) ?? '';
    localStorage.setItem(KEPT, given);
  } catch {
    // It lasts as long as the page.
  }
  history.replaceState(null, '', location.pathname + location.hash);
  return given ?? '';
}

const token = takeToken();

/** What the server refused. */
export class ProblemError extends Error {
  readonly hint: string | undefined;
  constructor({ message, hint }: UiProblem) {
    super(message);
    this.hint = hint;
  }
}

const LOST: UiProblem = {
  message: 'The connection to wiac ui is lost.',
  hint: 'Start it again, and open the address that it prints.',
};

async function request(path: string, init: RequestInit): Promise<Response> {
  const headers = { [TOKEN_HEADER]: token, 'content-type': 'application/json' };
  const response = await fetch(path, { ...init, headers }).catch((error: Error) => {
    if (error.name === 'AbortError') throw error;
    throw new ProblemError(LOST);
  });
  if (!response.ok) throw new ProblemError((await response.json()) as UiProblem);
  return response;
}

/** @throws ProblemError */
export async function ask<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await request(path, signal ? { signal } : {});
  return (await response.json()) as T;
}

/** @throws ProblemError */
export async function tell<T>(path: string, body: unknown): Promise<T> {
  const response = await request(path, { method: 'POST', body: JSON.stringify(body) });
  return (await response.json()) as T;
}

/** One value after the other, until the server has no more. @throws ProblemError */
export async function follow<T>(path: string, onValue: (value: T) => void): Promise<void> {
  const { body } = await request(path, {});
  const reader = body?.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const part = await reader?.read().catch(() => undefined);
    if (part?.value === undefined) throw new ProblemError(LOST);
    const taken = takeEvents(rest + part.value);
    rest = taken.rest;
    for (const { name, data } of taken.events) {
      if (name === 'end') return;
      const value: unknown = JSON.parse(data);
      if (name === 'problem') throw new ProblemError(value as UiProblem);
      onValue(value as T);
    }
  }
}

/** What the page says of a thrown value; nothing where it was the page that gave up. */
export function problemOf(error: unknown): UiProblem | undefined {
  if (error instanceof ProblemError)
    return { message: error.message, ...(error.hint === undefined ? {} : { hint: error.hint }) };
  const { name, message } = error as Error;
  return name === 'AbortError' ? undefined : { message };
}
