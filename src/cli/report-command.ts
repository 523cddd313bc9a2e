/** `wiac report` */
import { resolve } from 'node:path';
import { selectBuild } from '../engine/history/select-build.js';
import { fillPage } from '../report/fill-page.js';
import { keptReport } from '../serve/kept-report.js';
import type { SetExitCode } from './declare/options.js';
import { readPage } from './read-page.js';
import { writeResultFile } from './result-file.js';
import { withStoreAsRoot } from './with-store.js';

/** As commander gives them. */
interface ReportOptions {
  readonly output?: string;
}

/** `wiac report [BUILD]` @throws NotFoundError, UsageError when the file can't be written */
export function reportCommand(
  text: string | undefined,
  { output }: ReportOptions,
  setExitCode: SetExitCode,
): Promise<void> {
  // Layers of an ordinary user hold files of others, which only their owners may list.
  return withStoreAsRoot(setExitCode, async (store) => {
    const build = await selectBuild(store, text ?? 'last', process.cwd());
    const page = fillPage(readPage('report'), await keptReport(store, build));
    if (output === '-') {
      process.stdout.write(page);
      return;
    }
    const file = resolve(output ?? `wiac-report-${build.header.id}.html`);
    await writeResultFile('--output', file, page);
    process.stdout.write(`${file}\n`);
  });
}
