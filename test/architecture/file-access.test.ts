/**
 * Nothing hostile is a path: what lies below a context, checkout, draft or layer is opened through
 * src/fs/ alone, one name at a time. The store has its own files. Everybody else who takes a path of
 * this machine is listed here with the reason; whoever adds to the list says why that path can't be
 * led astray.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';

const SRC = join(process.cwd(), 'src');

/** Functions that work on a descriptor, and values that are no functions. */
const HARMLESS =
  /^(closeSync|constants|fchmodSync|fchownSync|fstatSync|ftruncateSync|futimesSync|readSync|writeSync)$/;

/** The primitives themselves: they join one name to an open directory. */
const PRIMITIVES = [
  'fs/directory.ts',
  'fs/read.ts',
  'fs/remove-tree.ts',
  'fs/short-path.ts',
  'fs/walker.ts',
  'fs/write.ts',
];

interface Reason {
  readonly why: string;
  /** Names that a file imports from node:fs, by file. */
  readonly files: Readonly<Record<string, string>>;
}

const REASONS: readonly Reason[] = [
  {
    why: 'paths that entryPath gives, open directories and open files',
    files: {
      'fs/archive/attributes.ts': 'lchownSync lutimesSync utimesSync',
      'fs/archive/directories.ts': 'lstatSync mkdirSync readlinkSync',
      'fs/archive/finish-layer.ts': 'linkSync lstatSync',
      'fs/archive/layer-writer.ts': 'linkSync lstatSync openSync statSync symlinkSync',
      'fs/archive/local-tree.ts': 'lstatSync mkdtempSync readdirSync renameSync',
      'fs/layer/inline-files.ts': 'writeFileSync',
      'fs/mounts/read-mount-file.ts': 'openSync',
      'fs/mounts/scan-mount.ts': 'lstatSync readdirSync readlinkSync',
      'fs/layer/unpack-selection.ts': 'createReadStream',
      'sources/fetch-git.ts': 'lstatSync mkdirSync renameSync rmdirSync',
    },
  },
  {
    why: 'files of layers that are published: they never change, and only root or the user writes there',
    files: {
      'fs/archive/fill-window.ts': 'openSync',
      'fs/archive/pack.ts': 'readlinkSync',
      'fs/archive/walk-layer.ts': 'lstatSync readdirSync',
      'fs/layer/compare-layers.ts': 'statSync',
      'fs/layer/disk-usage.ts': 'lstatSync',
      'fs/layer/layer-digest.ts': 'statSync',
    },
  },
  {
    why: "files of the build's own directory below tmp/, which no step sees",
    files: {
      'executor/local/encode-container.ts': 'readFileSync',
      'executor/local/sandbox.ts': 'existsSync readFileSync',
      'executor/local/execute-fetch.ts': 'existsSync renameSync rmSync',
      'executor/local/draft-pool.ts': 'mkdirSync',
      'executor/local/step-container.ts': 'writeFileSync',
      'executor/local/step-shell.ts': 'mkdirSync mkdtempSync',
      'executor/local/mount-points.ts':
        'chmodSync chownSync existsSync lstatSync mkdirSync utimesSync writeFileSync',
      'executor/local/rootfs.ts': 'chmodSync chownSync existsSync lstatSync readFileSync',
      'executor/local/deep-stacks.ts': 'mkdtempSync',
      'executor/local/shared-places.ts': 'chmodSync mkdtempSync',
      'executor/local/run-mounts.ts': 'mkdirSync statSync',
      'fs/layer/rooted-stack.ts': 'chmodSync mkdirSync',
      'engine/layer-blob.ts': 'createReadStream',
      'engine/mounts/write-packs.ts': 'appendFileSync openSync rmSync',
      'engine/mounts/content-reader.ts': 'rmSync',
      'engine/mounts/restore-mount.ts': 'mkdirSync',
      'engine/run-directory.ts': 'lstatSync mkdtempSync readdirSync renameSync',
      'engine/exports/export-layers.ts': 'createReadStream',
      'sources/fetch-context.ts':
        'createReadStream createWriteStream mkdirSync openSync renameSync',
      'sources/fetch-http.ts': 'createWriteStream',
    },
  },
  {
    why: "the store's own files: directories of cache mounts, by names that are digests",
    files: {
      'executor/local/open-cache-mount.ts': 'chmodSync chownSync existsSync mkdirSync renameSync',
      'engine/mounts/gather-mounts.ts': 'createReadStream existsSync mkdtempSync',
      'engine/mounts/transfer-mounts.ts': 'existsSync mkdirSync renameSync',
    },
  },
  {
    why: 'paths that the user names: contexts, Dockerfiles, keys, secrets, layers, programs',
    files: {
      'cli/copy.ts': 'existsSync realpathSync statSync',
      'cli/bake-files.ts': 'readlinkSync',
      'cli/complete-command.ts': 'statSync',
      'cli/given-text.ts': 'readFileSync',
      'cli/git-labels.ts': 'realpathSync',
      'cli/keep-build.ts': 'existsSync',
      'engine/inputs/build-input.ts': 'mkdirSync',
      'engine/inputs/find-dockerfile.ts': 'existsSync openSync statSync',
      'engine/watch/watch-places.ts': 'lstatSync readlinkSync statSync watch',
      'fs/watch-tree.ts': 'watch',
      'engine/exports/require-elsewhere.ts': 'realpathSync',
      'executor/local/layer-directory.ts': 'readdirSync realpathSync',
      'cli/machine-facts.ts':
        'accessSync existsSync mkdtempSync readFileSync rmSync statSync statfsSync',
      'cli/log-file.ts': 'appendFileSync writeFileSync',
      'cli/step-summary.ts': 'appendFileSync statSync',
      'cli/result-file.ts': 'accessSync statSync',
      'cli/remote-bake-files.ts': 'mkdirSync',
      'cli/registry-options.ts': 'existsSync',
      'cli/run-mount-options.ts': 'statSync',
      'executor/local/devices.ts': 'readdirSync statSync',
      'executor/local/run-program.ts': 'existsSync mkdirSync realpathSync',
      'executor/local/shell-program.ts': 'statSync',
      'executor/local/ssh-agent.ts': 'chmodSync chownSync openSync',
      'sources/git-agent.ts': 'mkdtempSync openSync',
      'fs/scan/local-context.ts': 'realpathSync statSync',
      'libs/closure.ts': 'realpathSync statSync',
      'libs/elf.ts': 'openSync',
      'libs/script.ts': 'openSync',
      'libs/search-path.ts': 'readFileSync realpathSync',
    },
  },
  {
    why: 'layouts, archives and storages that the user or a Dockerfile names; names in them are digests and ids',
    files: {
      'util/regular-file.ts': 'openSync readFileSync',
      'oci/layout-journal.ts': 'appendFileSync mkdirSync readdirSync rmSync',
      'oci/layout-garbage.ts': 'lstat lstatSync readdir unlink',
      'oci/layout.ts': 'access lstat lutimes open readFile',
      'oci/oci-archive.ts': 'createReadStream lstat mkdtempSync rm rmSync',
      'oci/tar-index.ts': 'mkdtemp open rm',
      'oci/write-file.ts': 'createWriteStream open readlink realpath rename rm rmSync stat',
    },
  },
  {
    why: 'configuration and facts of this machine, at fixed paths or paths of the environment',
    files: {
      'cli/config-file.ts': 'statfsSync',
      'cli/open-url.ts': 'mkdtempSync rmSync writeFileSync',
      'containers-storage/roots.ts': 'existsSync',
      'cli/runtime.ts': 'accessSync',
      'cli/watch-program.ts': 'readFileSync readdirSync',
      'containers-storage/storage-records.ts': 'lstatSync',
      'executor/local/binfmt.ts': 'readdirSync readFileSync',
      'executor/local/cgroup.ts': 'mkdirSync readFileSync readdirSync rmdirSync writeFileSync',
      'executor/local/masked-paths.ts': 'readdirSync',
      'executor/local/private-network.ts': 'readFileSync',
      'executor/local/own-cpus.ts': 'readFileSync',
      'executor/local/privileges.ts': 'accessSync readFileSync',
      'executor/local/resource-ends.ts': 'readFileSync',
      'fs/scan/borrowed-times.ts': 'readFileSync',
      'libs/ldcache.ts': 'readFileSync',
      'oci/registry/certificates.ts': 'readdirSync',
      'oci/registry/save-credentials.ts': 'mkdir open realpath rename rm',
      'util/checkpoint.ts': 'appendFileSync readFileSync',
      'util/open-files.ts': 'readFileSync',
      'util/proc-mount.ts': 'existsSync readlinkSync',
      'util/environment-bytes.ts': 'readFileSync',
      'util/process-name.ts': 'readdirSync readFileSync readlinkSync',
      'util/free-range.ts': 'readFileSync',
      'util/no-new-privileges.ts': 'readFileSync',
      'util/user-namespace.ts': 'readFileSync',
    },
  },
  {
    why: "files of wiac's own package",
    files: {
      'cli/legible-stack.ts': 'readFileSync',
      'cli/read-page.ts': 'readFileSync',
      'executor/local/seccomp.ts': 'readFileSync',
      'native/binary.ts': 'existsSync',
      'oci/compress/libdeflate/deflate.ts': 'readFileSync',
      'start/launcher.ts': 'accessSync existsSync readFileSync renameSync writeFileSync',
      'start/private-directory.ts':
        'accessSync existsSync fsyncSync lstatSync mkdirSync mkdtempSync openSync readFileSync readdirSync realpathSync renameSync rmSync',
      'start/standalone.ts': 'rmSync',
    },
  },
  {
    why: 'helpers of the store, for directories of its own',
    files: {
      'util/disk-room.ts': 'mkdtempSync rmdirSync statfsSync',
      'util/fifo.ts': 'openSync',
      'util/make-directories.ts': 'existsSync mkdirSync statSync',
      'util/stat-named.ts': 'statSync',
    },
  },
];

const ALLOWED = new Map(REASONS.flatMap(({ files }) => Object.entries(files)));

/** Values that a file imports from node:fs and node:fs/promises; types are left out. */
function imported(path: string): string[] {
  const text = readFileSync(join(SRC, path), 'utf8');
  const found = text.matchAll(
    /^import (type )?(?:\{([^}]*)\}|[^'{;]+) from 'node:fs(\/promises)?';/gms,
  );
  return [...found].flatMap(([, type, names]) => {
    if (type !== undefined) return [];
    if (names === undefined) return ['everything'];
    return names
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '' && !name.startsWith('type '));
  });
}

const guarded = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter(
  (path) => path.endsWith('.ts') && !path.startsWith('store/') && !PRIMITIVES.includes(path),
);

test.each(guarded)('%s opens no path but those that it is allowed', (path) => {
  const names = imported(path).filter((name) => !HARMLESS.test(name));
  expect(names.sort().join(' ')).toBe((ALLOWED.get(path) ?? '').split(' ').sort().join(' '));
});

test('nothing is listed that is not there', () => {
  expect(
    [...ALLOWED.keys(), ...PRIMITIVES].filter(
      (path) => ![...guarded, ...PRIMITIVES].includes(path),
    ),
  ).toEqual([]);
});

test('node:fs is loaded by nobody when it is needed', () => {
  // `import()` would not be seen by the test above.
  const late = guarded.filter((path) =>
    /import\('node:fs/.test(readFileSync(join(SRC, path), 'utf8')),
  );
  expect(late).toEqual([]);
});
