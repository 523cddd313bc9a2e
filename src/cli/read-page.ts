/** The pages that esbuild.config.js makes of src/page. */
import { readFileSync } from 'node:fs';

/** `report`: of one build, for a file; `ui`: what `wiac ui` serves. */
export function readPage(name: 'report' | 'ui'): string {
  return readFileSync(new URL(`${name}.html`, import.meta.url), 'utf8');
}
