// The rooms of src/ and what each of them uses, from the imports as they are.
// `node docs/draw-house.js` writes the picture into CONTRIBUTING.md; test/architecture/imports.test.ts
// fails when an import goes upwards, or when the picture is not that of the imports.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** The rooms from top to bottom: a room uses only those below it. */
export const ROOMS = [
  ['start', 'all that makes `wiac` start fast, each trick with its gain; nothing else knows of it'],
  ['cli', 'the command line: a file a command'],
  ['page', 'what a browser shows of a report; it becomes one file, which cli/ fills'],
  ['page/ui', 'the pages of `wiac ui`: builds while they run, the store'],
  ['serve', 'what `wiac ui` answers, and who is let in; reports of builds that are kept'],
  ['report', "a build's record to what its page shows; all pure"],
  ['ui', 'progress, log, tables, error messages'],
  ['worker', 'steps that come from a queue: fetched, carried out, pushed'],
  ['imagetools', 'indexes of several images, remote inspection'],
  ['engine', 'builds: look-ups, scheduler; images and contexts come in, results go out'],
  ['engine/bake', 'several targets at once, in which equal steps are one'],
  ['engine/exports', 'results as images, archives, directories and shared caches'],
  ['engine/inputs', 'Dockerfiles and build contexts, wherever they are'],
  ['engine/watch', 'builds that are made again when something changes'],
  ['engine/locks', 'lock files: read for a build, written from what the inputs are now'],
  ['engine/mounts', 'cache mounts into shared caches, and back into a store'],
  ['engine/images', 'images that a build is based on, and layers that have to be fetched'],
  ['engine/contents', 'what images carry and hold: SBOM, provenance, packages, differences'],
  ['engine/signatures', 'signatures of images: written, found, and demanded'],
  ['engine/history', 'builds that are kept: their form, what is taken out, how they are found'],
  ['engine/repro', 'steps run a second time on the same layers'],
  ['doctor', 'what facts about a machine mean for wiac, and what mends it; all pure'],
  ['why', 'what differs between a step and the nearest entry'],
  ['bake', 'bake files and compose files to targets; all pure'],
  ['outline', 'what a Dockerfile asks for, and its targets (`--call`)'],
  [
    'repro',
    'what two layers of one step differ in, where that comes from; what a provenance says of a build',
  ],
  ['lock', 'Dockerfile.lock: its form, what a build takes from it, what is missing or outdated'],
  ['attest', 'provenance and SBOM of a build'],
  ['verify', 'signatures of images as cosign has them: keys, payloads, form, verdict; all pure'],
  ['shared-cache', 'the list of entries for other machines, where it is kept, signatures'],
  [
    'shared-cache/mounts',
    'snapshots of cache mounts: their form, what stays, what is written anew',
  ],
  ['executor', 'a step and its inputs in, a layer out'],
  [
    'executor/queue',
    "steps on other machines: what goes through Redis, and the build's side of it",
  ],
  ['executor/local', 'containers and copies on this machine'],
  ['executor/seccomp', 'which system calls a container may make: profiles to filters'],
  ['sources', 'files of the web, of repositories and of archives, for ADD and as build contexts'],
  ['libs', 'what a program needs to be started: interpreter, shared libraries'],
  ['store', 'what is kept: opening, format version, paths, records'],
  ['store/index', 'lmdb, the records beside it, damage and repair'],
  ['store/entries', 'steps that were carried out, by their keys'],
  ['store/layers', 'directories of layers: drafts, publishing, layers of others'],
  ['store/images', 'images by id and name'],
  ['store/blobs', 'compressed layers'],
  ['store/pins', 'who is alive, what they use, leases'],
  ['store/builds', 'files with what is kept of builds'],
  ['store/gc', 'pruning, removal, clearing up after the dead'],
  ['store/recovery', 'what a power cut takes, upgrades'],
  ['store/verify', '`wiac cache verify`: is the store as it was written'],
  ['fs', 'files below a directory that is held open: one name at a time, no link is followed'],
  ['fs/mounts', 'cache mounts, which steps may be at work in'],
  ['fs/scan', 'trees, fingerprints, attributes of a context or layer'],
  ['fs/select', '.dockerignore, wildcards, what a COPY takes'],
  ['fs/layer', 'layer directories: merged view, COPY, digests, users'],
  ['fs/archive', 'layers from archives and into archives'],
  ['containers-storage', 'images of podman and buildah, used where they are'],
  ['keys', 'what goes into a key, digests'],
  ['check', "the linter's rules"],
  ['plan', 'instructions to a DAG of steps'],
  ['oci', 'references, manifests, image configs, layouts and archives'],
  ['oci/registry', 'the distribution protocol, credentials'],
  ['oci/tar', 'members of archives, read and written'],
  ['oci/compress', 'gzip, zstd and others as streams'],
  ['oci/compress/libdeflate', 'deflate data, by a library that is kept here with its licence'],
  ['hcl', 'the language of bake files: text to values, nothing of bake'],
  ['hcl/functions', 'what its expressions may call'],
  ['dockerfile', 'text to instructions; variable expansion; excerpts for messages'],
  ['native', "wiac-sys, the program of native/ that makes the system calls Node can't"],
  ['util', 'errors and small helpers that know nothing of wiac'],
];

/** The modules below a folder: paths from the top of the repository. */
export function sources(directory) {
  return readdirSync(join(ROOT, directory), { withFileTypes: true }).flatMap((entry) => {
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory()) return sources(path);
    return /\.tsx?$/.test(path) ? [path] : [];
  });
}

const IMPORT = /(?:^(?:import|export)\b[^;']*?\bfrom\s*|\bimport\(\s*)'(\.[^']+)'/gms;

/** The module that an import of its JavaScript means. */
function sourceOf(path) {
  const [plain, page] = ['.ts', '.tsx'].map((ending) => path.replace(/\.js$/, ending));
  return existsSync(join(ROOT, page)) ? page : plain;
}

/** Every import of one module of src/ by another: paths from the top of the repository. */
export function imports() {
  return sources('src').flatMap((from) =>
    [...readFileSync(join(ROOT, from), 'utf8').matchAll(IMPORT)].map(([, specifier]) => ({
      from,
      to: sourceOf(normalize(join(dirname(from), specifier))),
    })),
  );
}

/** The room of a file: `store/index` for src/store/index/lease.ts. */
export function getRoom(path) {
  return dirname(path).replace(/^src\//, '');
}

/** The house that a room is in: `store` for `store/index`. */
export function getHouse(room) {
  return room.split('/')[0];
}

/** The table of CONTRIBUTING.md. */
export function drawHouse() {
  const used = new Map();
  for (const { from, to } of imports()) {
    const room = getRoom(from);
    const other = getHouse(getRoom(to));
    if (!to.startsWith('src/') || other === getHouse(room)) continue;
    used.set(room, (used.get(room) ?? new Set()).add(other));
  }
  const order = ROOMS.map(([name]) => name);
  const rows = ROOMS.map(([name, idea]) => {
    const below = [...(used.get(name) ?? [])].sort((a, b) => order.indexOf(a) - order.indexOf(b));
    return `| ${name}/ | ${idea} | ${below.join(', ')} |`;
  });
  return ['| room of src/ | what it does | uses |', '| --- | --- | --- |', ...rows].join('\n');
}

/** Where the table stands in CONTRIBUTING.md. */
export const MARKS = ['<!-- drawn by docs/draw-house.js -->', '<!-- end of the drawing -->'];

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const path = join(ROOT, 'CONTRIBUTING.md');
  const [begin, end] = MARKS;
  const text = readFileSync(path, 'utf8');
  const [before] = text.split(begin);
  const [, after] = text.split(end);
  writeFileSync(path, `${before}${begin}\n${drawHouse()}\n${end}${after}`);
}
