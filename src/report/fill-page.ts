/** The page with its data in it: one file. Pure. */
import type { ReportData } from './report-data.js';

/** Where the data goes: esbuild.config.js writes it, and nobody else's text can come before it. */
export const DATA_MARK = '"wiac-report-data"';
/** In the title, before the data. */
export const TITLE_MARK = 'wiac-report-title';

const NAMED: Readonly<Record<string, string>> = { '<': '\\u003c', '>': '\\u003e', '&': '\\u0026' };

/** JSON that can stand in a script element: nothing in it ends the element or begins a comment. */
export function inertJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (each) => NAMED[each] ?? `\\u${each.charCodeAt(0).toString(16)}`,
  );
}

const entity = (each: string) => `&#${each.codePointAt(0)};`;

/** @param page what esbuild.config.js made of src/page */
export function fillPage(page: string, data: ReportData): string {
  const title = `${data.names[0] ?? data.target ?? data.dockerfile} · wiac build`;
  const [head = '', rest = ''] = page.split(TITLE_MARK, 2);
  const [before = '', after = ''] = rest.split(DATA_MARK, 2);
  return `${head}${title.replace(/[^\p{L}\p{N} ./:_·-]/gu, entity)}${before}${inertJson(data)}${after}`;
}
