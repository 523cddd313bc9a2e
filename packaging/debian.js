// A Debian package of the standalone executable, which asks for no package of Node: Debian 12's is too old.
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { execa } from 'execa';
import { CACHE } from './fetch-package.js';

/** Debian's names of processors, by process.arch. */
export const DEBIAN_NAMES = { arm64: 'arm64', x64: 'amd64' };

const COMPLETIONS = {
  bash: 'usr/share/bash-completion/completions/wiac',
  zsh: 'usr/share/zsh/vendor-completions/_wiac',
  fish: 'usr/share/fish/vendor_completions.d/wiac.fish',
};

/** Debian's policy wants indented lines, and a dot where one is empty. */
const indented = (text) =>
  text
    .trim()
    .split('\n')
    .map((line) => (line.trim() ? ` ${line}` : ' .'))
    .join('\n');

/** In the form of https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/. */
function copyright() {
  const licence = readFileSync('LICENSE', 'utf8');
  const [holder = ''] = /Copyright .*/.exec(licence) ?? [];
  return `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: wiac

Files: *
Copyright: ${holder.replace(/^Copyright (\\(c\\) )?/i, '')}
License: Expat

License: Expat
${indented(licence)}
Comment:
 The program contains Node.js and the packages of npm that are listed, with
 their licences, in LICENSES.txt.gz and NODE-LICENSE.gz beside this file.
`;
}

function control(version, architecture, size) {
  return `Package: wiac
Version: ${version}
Architecture: ${DEBIAN_NAMES[architecture]}
Maintainer: wiac <wiac@localhost>
Installed-Size: ${size}
Depends: libc6 (>= 2.28), libgcc-s1, libstdc++6 (>= 5.2)
Recommends: passt | slirp4netns, uidmap
Section: utils
Priority: optional
Description: daemonless build engine for Dockerfiles
 wiac builds Dockerfiles and runs the result without a daemon. Each step is
 a directory, and runs again only when something that it reads has changed.
`;
}

/** Writes files, each with the directories above it. */
function writeFiles(root, files) {
  for (const [path, content] of files) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
}

/** Gives all files one time, and modes that do not depend on the umask. */
function settle(path, seconds) {
  const stats = statSync(path);
  if (stats.isDirectory())
    for (const name of readdirSync(path)) {
      if (name !== 'wiac' || !path.endsWith('usr/bin')) settle(join(path, name), seconds);
    }
  chmodSync(path, stats.isDirectory() || stats.mode & 0o100 ? 0o755 : 0o644);
  utimesSync(path, seconds, seconds);
}

const compressed = (content) => gzipSync(content, { level: 9 });

/**
 * @param executable what makeStandalone wrote
 * @param parts what it returned
 * @param nodeLicence of the Node in it
 * @param complete gives the script for a shell
 * @param to where the package is written
 * @param seconds SOURCE_DATE_EPOCH: the time of all files
 * @param level zstd's
 */
export async function makeDebian({
  architecture,
  executable,
  parts,
  nodeLicence,
  complete,
  version,
  to,
  seconds,
  level,
}) {
  const work = mkdtempSync(join(CACHE, 'debian-'));
  try {
    const root = join(work, 'root');
    const lib = join(root, 'usr/lib/wiac');
    mkdirSync(join(lib, parts.directory), { recursive: true });
    cpSync(executable, join(lib, 'wiac'));
    for (const [name, path] of parts.files) {
      cpSync(path, join(lib, parts.directory, name));
      chmodSync(join(lib, parts.directory, name), name.startsWith('wiac-sys') ? 0o755 : 0o644);
    }
    mkdirSync(join(root, 'usr/bin'), { recursive: true });
    symlinkSync('../lib/wiac/wiac', join(root, 'usr/bin/wiac'));
    const pages = readdirSync('dist').filter((name) => name.endsWith('.1'));
    const doc = 'usr/share/doc/wiac';
    writeFiles(root, [
      ...pages.map((name) => [
        `usr/share/man/man1/${name}.gz`,
        compressed(readFileSync(join('dist', name))),
      ]),
      ...(await Promise.all(
        Object.entries(COMPLETIONS).map(async ([shell, path]) => [path, await complete(shell)]),
      )),
      [`${doc}/copyright`, copyright()],
      [`${doc}/LICENSES.txt.gz`, compressed(readFileSync('dist/LICENSES.txt'))],
      [`${doc}/NODE-LICENSE.gz`, compressed(readFileSync(nodeLicence))],
      [`${doc}/changelog.gz`, compressed(changelog(version, seconds))],
    ]);
    const { stdout } = await execa('du', ['-k', '-s', '--apparent-size', root]);
    writeFiles(root, [
      ['DEBIAN/control', control(version, architecture, Number.parseInt(stdout, 10))],
    ]);
    await writeSums(root);
    settle(root, seconds);
    // In one thread, so that the bytes do not depend on the number of processors.
    const flags = ['--root-owner-group', '-Zzstd', `-z${level}`, '--threads-max=1'];
    await execa('dpkg-deb', [...flags, '--build', root, to], {
      env: { SOURCE_DATE_EPOCH: String(seconds) },
    });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function changelog(version, seconds) {
  const date = new Date(seconds * 1000).toUTCString().replace('GMT', '+0000');
  return `wiac (${version}) unstable; urgency=medium\n\n  * Version ${version}.\n\n -- wiac <wiac@localhost>  ${date}\n`;
}

/** DEBIAN/md5sums, which `dpkg --verify` reads. */
async function writeSums(root) {
  const find = 'find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum > DEBIAN/md5sums';
  await execa('sh', ['-c', find], { cwd: root });
}
