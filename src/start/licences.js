// The licences of the packages that a bundle holds: most of them ask to be copied along.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const LIBDEFLATE = 'src/oci/compress/libdeflate';

/** Directories of packages that modules of a bundle are from. */
function getPackages(metafiles) {
  const inputs = metafiles.flatMap(({ inputs }) => Object.keys(inputs));
  const directories = inputs.map((path) => /^(.*node_modules\/(@[^/]+\/)?[^/]+)\//.exec(path)?.[1]);
  return [...new Set(directories)].filter((directory) => directory !== undefined).sort();
}

function licenceIn(directory) {
  const name = readdirSync(directory).find((file) => /^licen[cs]e/i.test(file));
  return name === undefined ? '' : readFileSync(join(directory, name), 'utf8').trim();
}

/**
 * @param metafiles what esbuild says of bundles
 * @returns a text that names each package with its version and licence
 */
export function getLicences(metafiles) {
  const packages = getPackages(metafiles).map((directory) => {
    const { name, version, license } = JSON.parse(
      readFileSync(join(directory, 'package.json'), 'utf8'),
    );
    return `${name} ${version} (${license})\n\n${licenceIn(directory)}`;
  });
  const libdeflate = `libdeflate 1.23 (MIT)\n\n${licenceIn(LIBDEFLATE)}`;
  return [...packages, libdeflate].join(`\n\n${'-'.repeat(80)}\n\n`);
}
