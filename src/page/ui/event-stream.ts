/** Server-sent events, as they come through fetch: that can send the token, which EventSource can't. Pure. */

export interface StreamEvent {
  readonly name: string;
  readonly data: string;
}

function parseEvent(block: string): StreamEvent {
  const fields = block.split('\n').map((line) => /^(\w+): ?(.*)$/.exec(line) ?? []);
  const values = (wanted: string) =>
    fields.flatMap(([, name, value]) => (name === wanted && value !== undefined ? [value] : []));
  return { name: values('event')[0] ?? 'message', data: values('data').join('\n') };
}

/** @returns the events that are whole, and what is left for the next part */
export function takeEvents(text: string): { events: readonly StreamEvent[]; rest: string } {
  const blocks = text.split('\n\n');
  const rest = blocks.pop() ?? '';
  return { events: blocks.map(parseEvent), rest };
}
