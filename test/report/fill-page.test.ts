import { expect, test } from '@jest/globals';
import { fillPage, inertJson } from '../../src/report/fill-page.js';
import type { ReportData } from '../../src/report/report-data.js';

const HOSTILE = '</script><img src=x onerror=alert(1)><!-- <script> \u2028 & $& $1';

test('nothing in the data ends the script element that holds it', () => {
  const json = inertJson({ text: HOSTILE, [HOSTILE]: 1 });
  expect(json).not.toMatch(/[<>&\u2028\u2029]/);
  expect(JSON.parse(json)).toEqual({ text: HOSTILE, [HOSTILE]: 1 });
});

test('the title is text, and marks in the data stay what they are', () => {
  const name = `${HOSTILE} wiac-report-title "wiac-report-data"`;
  const data = { names: [name], dockerfile: '' } as unknown as ReportData;
  const page =
    '<title>wiac-report-title</title><script>"wiac-report-data"</script><script>$&</script>';
  const [, title = '', json = ''] =
    /^<title>([^<>]*)<\/title><script>([^<>]*)<\/script><script>\$&<\/script>$/.exec(
      fillPage(page, data),
    ) ?? [];
  expect(title).toContain('&#60;/script&#62;');
  expect(JSON.parse(json)).toEqual(data);
});
