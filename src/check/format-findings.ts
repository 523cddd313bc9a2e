/** Warnings for people, and for programs that know BuildKit's `lint` subrequest. */
import type { Dockerfile } from '../dockerfile/ast.js';
import { excerpt } from '../dockerfile/excerpt.js';
import type { CheckResult, Warning } from './check-dockerfile.js';

function asText({ warnings }: CheckResult, { lines }: Dockerfile): string {
  const count = warnings.length;
  if (count === 0) return 'Check complete, no warnings found.\n';
  const head = `Check complete, ${count} ${count === 1 ? 'warning has' : 'warnings have'} been found!`;
  const blocks = warnings.map(({ rule, url, detail, location }) => {
    const { file, line } = location;
    return `WARNING: ${rule} - ${url}\n${detail}\n${file}:${line}\n${excerpt(lines, location)}`;
  });
  return `${[head, ...blocks].join('\n\n')}\n`;
}

function warningJson({ rule, description, url, detail, location }: Warning) {
  const { file, line, endLine } = location;
  const ranges = [{ start: { line }, end: { line: endLine } }];
  return { ruleName: rule, description, url, detail, location: { file, ranges } };
}

/**
 * The warnings as text with the lines around them, or as a JSON object whose `warnings` have
 * BuildKit's fields: ruleName, description, url, detail, location; `sources` has the Dockerfile in
 * base64. Ends with a line feed.
 */
export function formatWarnings(
  result: CheckResult,
  dockerfile: Dockerfile,
  format: 'text' | 'json',
): string {
  if (format === 'text') return asText(result, dockerfile);
  const { file: filename, lines } = dockerfile;
  const data = Buffer.from(lines.join('\n')).toString('base64');
  const sources = [{ filename, language: 'Dockerfile', data }];
  return `${JSON.stringify({ warnings: result.warnings.map(warningJson), sources }, null, 2)}\n`;
}
