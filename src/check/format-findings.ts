/** Warnings for people, and for programs that know BuildKit's `lint` subrequest. */
import type { Dockerfile } from '../dockerfile/ast.js';
import { excerpt } from '../dockerfile/excerpt.js';
import type { SourceLocation } from '../util/errors.js';
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

function placeJson({ file, line, endLine }: SourceLocation) {
  return { file, ranges: [{ start: { line }, end: { line: endLine } }] };
}

function warningJson({ rule, description, url, detail, location }: Warning) {
  return { ruleName: rule, description, url, detail, location: placeJson(location) };
}

/**
 * The warnings as text with the lines around them, or as a JSON object whose `warnings` have
 * BuildKit's fields: ruleName, description, url, detail, location; `sources` has the Dockerfile in
 * base64, `buildError` the message and the place of what a build would fail with. Ends with a line feed.
 */
export function formatWarnings(
  result: CheckResult,
  dockerfile: Dockerfile,
  format: 'text' | 'json',
  error?: { readonly message: string; readonly location?: SourceLocation | undefined },
): string {
  if (format === 'text') return asText(result, dockerfile);
  const { file: filename, lines } = dockerfile;
  const data = Buffer.from(lines.join('\n')).toString('base64');
  const sources = [{ filename, language: 'Dockerfile', data }];
  const warnings = result.warnings.map(warningJson);
  const buildError = error && {
    message: error.message,
    ...(error.location && { location: placeJson(error.location) }),
  };
  return `${JSON.stringify({ warnings, sources, buildError }, null, 2)}\n`;
}
