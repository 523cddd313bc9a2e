/** Why two runs of a step made other files, and what can be done about it in general. */

/** What differs between the runs, as far as it can be told from the files. */
export type Cause =
  | 'time'
  | 'mtime'
  | 'gzip-header'
  | 'archive-times'
  | 'bytecode'
  | 'order'
  | 'parallel'
  | 'locale'
  | 'pid'
  | 'hostname'
  | 'cpus'
  | 'umask'
  | 'build-path'
  | 'uuid'
  | 'random'
  | 'machine-id'
  | 'package-manager'
  | 'ldconfig-cache'
  | 'other-cache'
  | 'compressed'
  | 'unknown';

/** What to do, by cause; rules.ts knows more of certain files. */
export const HINTS: Readonly<Record<Cause, string>> = {
  time: 'take the time from SOURCE_DATE_EPOCH (ARG SOURCE_DATE_EPOCH; date -u -d @$SOURCE_DATE_EPOCH), or leave it out',
  mtime:
    'set it from SOURCE_DATE_EPOCH (touch -d @$SOURCE_DATE_EPOCH), or build with --source-date-epoch and --rewrite-timestamp',
  'gzip-header': 'the header has the time of the file: use gzip -n',
  'archive-times':
    "an archive has times of files: tar --mtime=@$SOURCE_DATE_EPOCH --sort=name, ar with D, zip -X after touch, or Debian's strip-nondeterminism",
  bytecode:
    'compiled Python has the time of its source: PYTHONDONTWRITEBYTECODE=1, or python3 -m compileall --invalidation-mode unchecked-hash',
  order:
    'the file system gives names in any order: sort them (find | sort, tar --sort=name, LC_ALL=C)',
  parallel:
    'what ends first is written first: give each job a file of its own and join them in a fixed order, or use -j1',
  locale: 'set the locale in the step: LC_ALL=C.UTF-8 (and TZ=UTC)',
  pid: 'a number of a process is in it: name files without $$, or use mktemp for what is removed again',
  hostname:
    'the name of the machine is in it: leave it out, or set it (KBUILD_BUILD_HOST, HOSTNAME of a configure)',
  cpus: 'the number of CPUs is in it: give a fixed number instead of nproc',
  umask: 'set the permissions: chmod, install -m, or umask in the step',
  'build-path':
    'a path with a random part is in it: build in a fixed directory, or -ffile-prefix-map=$PWD=. of the compiler',
  uuid: 'derive it from what it stands for (uuidgen --sha1), or make it when the container starts',
  random: 'give a fixed seed, or make it when the container starts',
  'machine-id': 'each machine has its own: truncate it in the same step (: > /etc/machine-id)',
  'package-manager': 'remove caches and logs in the step that makes them',
  'ldconfig-cache': 'remove it in the step that makes it: rm -f /var/cache/ldconfig/aux-cache',
  'other-cache': 'remove the cache in the step that makes it',
  compressed:
    'what is in it differs, or the program compresses with several threads: look at the files before they are packed',
  unknown: 'nothing that wiac knows: compare the two excerpts',
};
