/** Which display a build gets, and what it writes where. */
import { describe, expect, test } from '@jest/globals';
import type { BuildEvent } from '../../src/engine/events.js';
import type { ProgressMode } from '../../src/ui/progress.js';
import { isDrawable, progressOpener } from '../../src/ui/progress.js';

test.each<[boolean, boolean | undefined, NodeJS.ProcessEnv]>([
  [true, true, { TERM: 'xterm' }],
  [true, true, { CI: '' }],
  [false, true, { TERM: 'dumb' }],
  [false, true, { CI: 'true' }],
  [false, undefined, { TERM: 'xterm' }],
])('draws: %p with isTTY %p and %j', (draws, isTTY, env) => {
  expect(isDrawable(isTTY === undefined ? {} : { isTTY }, env)).toBe(draws);
});

describe('progressOpener', () => {
  const events: BuildEvent[] = [
    { type: 'warning', message: 'careful' },
    { type: 'built', durationMs: 0, cached: 1, executed: 0 },
  ];

  async function written(mode: ProgressMode, quiet = false): Promise<string> {
    let text = '';
    const open = await progressOpener(mode, quiet, (more: string) => {
      text += more;
    });
    const progress = open();
    for (const event of events) progress.emit(event);
    progress.close();
    return text;
  }

  test.each<[ProgressMode, string]>([
    ['none', ''],
    ['quiet', 'wiac: warning: careful\n'],
    ['json', events.map((event) => `${JSON.stringify(event)}\n`).join('')],
    ['plain', 'wiac: warning: careful\nbuilt in 0.00s: 1 step cached, 0 run\n'],
    // A file is no terminal, whatever standard error is.
    ['auto', 'wiac: warning: careful\nbuilt in 0.00s: 1 step cached, 0 run\n'],
    ['tty', 'wiac: warning: careful\nbuilt in 0.00s: 1 step cached, 0 run\n'],
  ])('%s', async (mode, text) => {
    expect(await written(mode)).toBe(text);
  });

  test('--quiet leaves only warnings, in every mode but none', async () => {
    expect(await written('json', true)).toBe('wiac: warning: careful\n');
    expect(await written('none', true)).toBe('');
  });
});
