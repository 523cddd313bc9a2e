// npm run package [x64] [arm64]: what users install, in packages/ or in the directory of --to. SOURCE_DATE_EPOCH is
// the time of the files, and the last commit's otherwise. --without-compiled-code makes executables that start slower,
// in seconds also for a processor that has to be emulated. --without-archive leaves npm's archive out, which is
// the same for all processors. --level is how hard zstd works on Debian packages: tests, which
// make several, save 7 s each with 1.
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { execa } from 'execa';
import { DEBIAN_NAMES, makeDebian } from './debian.js';
import { fetchNodeLicence, makeStandalone } from './standalone.js';

const ARCHITECTURES = ['x64', 'arm64'];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    to: { type: 'string', default: 'packages' },
    'without-compiled-code': { type: 'boolean', default: false },
    'without-archive': { type: 'boolean', default: false },
    level: { type: 'string', default: '10' },
  },
});
const {
  to: TO,
  'without-compiled-code': isSlow,
  'without-archive': isWithoutArchive,
  level,
} = values;
const unknown = positionals.filter((word) => !ARCHITECTURES.includes(word));
if (unknown.length > 0) throw new Error(`${unknown}: it is one of ${ARCHITECTURES}`);
const architectures = positionals.length > 0 ? positionals : ARCHITECTURES;

const { version } = JSON.parse(readFileSync('package.json', 'utf8'));

/** Seconds since 1970. */
async function sourceDate() {
  const { SOURCE_DATE_EPOCH: given } = process.env;
  return Number(given ?? (await execa('git', ['log', '-1', '--format=%ct'])).stdout);
}

/** As it is installed, wiac itself says how shells complete its words. */
async function complete(shell) {
  const { stdout } = await execa(process.execPath, ['dist/wiac.cjs', 'completion', shell]);
  return `${stdout}\n`;
}

async function makeFor(architecture, seconds) {
  const executable = join(TO, `wiac-${architecture}`);
  const parts = await makeStandalone(architecture, executable, !isSlow);
  await makeDebian({
    architecture,
    executable,
    parts,
    nodeLicence: await fetchNodeLicence(architecture),
    complete,
    version,
    to: join(TO, `wiac_${version}_${DEBIAN_NAMES[architecture]}.deb`),
    seconds,
    level,
  });
}

rmSync(TO, { recursive: true, force: true });
mkdirSync(TO, { recursive: true });
const seconds = await sourceDate();
if (!isWithoutArchive)
  await execa('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', resolve(TO)]);
await Promise.all(architectures.map((architecture) => makeFor(architecture, seconds)));
const sums = readdirSync(TO)
  .sort()
  .map(
    (name) =>
      `${createHash('sha256')
        .update(readFileSync(join(TO, name)))
        .digest('hex')}  ${basename(name)}\n`,
  );
writeFileSync(join(TO, 'SHA256SUMS'), sums.join(''));
process.stdout.write(sums.join(''));
