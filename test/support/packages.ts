/** What `npm run package` makes, and how docs/install.md says that it is installed. */
import { readFileSync } from 'node:fs';
import { execa } from 'execa';

/** Makes packages; those for Debian are larger than the real ones. @param to is created @param words processors and flags @returns `to` */
export async function makePackages(to: string, ...words: readonly string[]): Promise<string> {
  const env = { SOURCE_DATE_EPOCH: '1700000000' };
  await execa(process.execPath, ['packaging/package.js', `--to=${to}`, '--level=1', ...words], {
    env,
  });
  return to;
}

/** The commands of docs/install.md, in its order, for this processor. */
export function installCommands(): readonly string[] {
  return [...readFileSync('docs/install.md', 'utf8').matchAll(/```sh\n(.*?)```/gs)].map(
    ([, text = '']) =>
      process.arch === 'x64' ? text : text.replace('x64', 'arm64').replace('amd64', 'arm64'),
  );
}
