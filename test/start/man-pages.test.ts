/** Manual pages, made from the declared commands. */
import { expect, test } from '@jest/globals';
import { Command } from 'commander';
import { createProgram } from '../../src/cli/program.js';
import { manPage, manPages } from '../../src/start/man-pages.js';

const PAGES = new Map(
  manPages(
    createProgram(() => {}),
    '1.2.3',
  ),
);

test('each command has one, with all of its options', () => {
  expect([...PAGES.keys()]).toEqual(
    expect.arrayContaining(['wiac.1', 'wiac-build.1', 'wiac-cache-mounts-rm.1']),
  );
  expect([...PAGES.keys()].filter((name) => name.includes('__'))).toEqual([]);
  expect(PAGES.get('wiac.1')).toContain('.TP\n\\fBbuild\\fR\n');
  const build = PAGES.get('wiac-build.1') ?? '';
  expect(build).toMatch(/^\.TH "WIAC-BUILD" 1 "" "wiac 1\.2\.3" "wiac"\n/);
  expect(build).toContain('.SH THE SANDBOX\n');
  expect(build).toContain('\\fB\\-f, \\-\\-file <file>\\fR\n');
  expect(build).toContain('.BR wiac (1)\n');
});

test('no text of theirs is a request of roff', () => {
  const requests = [...PAGES.values()].flatMap((page) => page.match(/^[.'].*$/gm) ?? []);
  expect(requests.filter((line) => !/^\.(TH|SH|TP|BR) ?/.test(line))).toEqual([]);
  const hostile = new Command('x')
    .description(".SH one\n'two \\fB")
    .option('--a', '.so /etc/passwd');
  const page = manPage(hostile, '1');
  expect(page).toContain(".SH DESCRIPTION\n\\&.SH one\n\\&'two \\efB\n");
  expect(page).toContain('\\fB\\-\\-a\\fR\n\\&.so /etc/passwd\n');
});
