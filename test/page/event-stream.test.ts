import { expect, test } from '@jest/globals';
import { takeEvents } from '../../src/page/ui/event-stream.js';

test('events that are whole, wherever the stream is cut', () => {
  const text = 'data: {"a":1}\n\nevent: end\ndata: {}\n\ndata: {"b"';
  for (let cut = 0; cut <= text.length; cut += 1) {
    const first = takeEvents(text.slice(0, cut));
    const second = takeEvents(first.rest + text.slice(cut));
    expect([...first.events, ...second.events]).toEqual([
      { name: 'message', data: '{"a":1}' },
      { name: 'end', data: '{}' },
    ]);
    expect(second.rest).toBe('data: {"b"');
  }
});
