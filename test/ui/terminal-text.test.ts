/** What is left of a program's output for people. */
import { expect, test } from '@jest/globals';
import { shownLine, shownText } from '../../src/ui/terminal-text.js';

test.each([
  ['a plain line', 'a plain line'],
  ['tabs\tstay\twhere nothing else is', 'tabs\tstay\twhere nothing else is'],
  // Progress bars: the last state of the line.
  ['10%\r50%\r100% done', '100% done'],
  ['downloading\rdone', 'doneloading'],
  ['downloading\r\x1b[Kdone', 'done'],
  ['downloading\x1b[2K\rdone', 'done'],
  ['spinning |\b/\b-\b\\\bx', 'spinning x'],
  ['half\x1b[2D\x1b[1Kx', '  xf'],
  ['\x1b[5Gfifth', '    fifth'],
  ['a\x1b[3Cb', 'a   b'],
  ['a\tb\rx', 'x       b'],
  // Colours, links, titles, and what clears or moves.
  ['\x1b[1;31mred\x1b[0m', 'red'],
  ['\x1b[38:2::1:2:3mtrue\x1b[m', 'true'],
  ['\x1b]0;title\x07text', 'text'],
  ['\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\', 'link'],
  ['\x1bPq#0;2;0;0;0\x1b\\image', 'image'],
  ['\x1b[2J\x1b[Hclear', 'clear'],
  ['\x1b[?1049h\x1b[5A\x1bcup', 'up'],
  ['\x9b31meight bits', 'eight bits'],
  ['bell\x07, nul\x00, vertical\x0b', 'bell, nul, vertical'],
  ['\x1b]52;c;never ended', ''],
  ['\x1b', ''],
  ['grün\r日本', '日本ün'],
])('%j is shown as %j', (text, shown) => {
  expect(shownLine(text)).toBe(shown);
});

test('a cursor that goes far to the right takes no memory', () => {
  expect(shownLine('\x1b[999999999Cx').length).toBeLessThan(3000);
});

test('lines stay lines', () => {
  expect(shownText('a\rb\n\x1b[31mc\n')).toBe('b\nc\n');
});
