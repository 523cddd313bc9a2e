/** The Debian that tests share. */
import { clone, exampleCommands } from './examples.js';
import { madeOnce } from './made-once.js';

/** For commands that fetch packages of Debian. */
export const PATIENT = `'--aptopt=Acquire::Retries "5"'`;

/** Packages that the example has not: with file capabilities, and one that can be purged. */
const MORE = '--include=iputils-ping,tzdata';

/** The first command of examples/debian makes it, with more packages. @returns path of a tar archive */
export async function debianArchive(): Promise<string> {
  const [bootstrap = ''] = exampleCommands('debian').trim().split('\n');
  const command = bootstrap.replace(/^mmdebstrap/, `mmdebstrap ${MORE} ${PATIENT}`);
  const script = `${command}\nmv examples/debian/base.tar "$0"`;
  return madeOnce('debian.tar', ['sh', '-ec', script], clone());
}
