/** Files and commands that are known for what differs in them: one table. The first rule that fits counts. */
import type { Cause } from './causes.js';
import { HINTS } from './causes.js';

/** What has to fit, all of it. */
interface Rule {
  /** Absolute path in the image. */
  readonly path?: RegExp;
  /** What the difference looks like by itself. */
  readonly causes?: readonly Cause[];
  /** The instruction of the step. */
  readonly command?: RegExp;
  /** What it is then; undefined: what it looks like. */
  readonly cause?: Cause;
  /** Undefined: the usual one. */
  readonly hint?: string;
}

const remove = (what: string) => `remove it in the step that makes it: rm -rf ${what}`;

const RULES: readonly Rule[] = [
  {
    path: /^\/var\/log\/(dpkg\.log|alternatives\.log|apt(\/|$)|bootstrap\.log|dnf|yum|apk)/,
    cause: 'package-manager',
    hint: 'the log has the time of each line: rm -rf /var/log/dpkg.log /var/log/alternatives.log /var/log/apt in the same step',
  },
  {
    path: /^\/var\/lib\/apt\/lists(\/|$)/,
    cause: 'package-manager',
    hint: 'the lists are those of the day: rm -rf /var/lib/apt/lists/* in the same step, and install from a dated snapshot (snapshot.debian.org)',
  },
  {
    path: /^\/var\/cache\/(apt|debconf|apk|dnf|yum)(\/|$)/,
    cause: 'package-manager',
    hint: 'apt-get clean (apk --no-cache, dnf clean all) and rm -rf /var/cache/debconf/*-old in the same step',
  },
  { path: /^\/var\/cache\/ldconfig\/aux-cache$/, cause: 'ldconfig-cache' },
  { path: /^\/(etc|var\/lib\/dbus)\/machine-id$/, cause: 'machine-id' },
  {
    path: /^\/etc\/ssh\/ssh_host_/,
    cause: 'random',
    hint: 'every image would have the same keys of a host: rm -f /etc/ssh/ssh_host_* in the same step, and ssh-keygen -A when the container starts',
  },
  {
    path: /^\/etc\/g?shadow-?$/,
    causes: ['unknown', 'time', 'random'],
    cause: 'time',
    hint: 'it has the day on which a password was changed: chage -d 0 USER, or useradd of shadow 4.10 and newer with SOURCE_DATE_EPOCH set; a hash has random salt',
  },
  { path: /\.py[co]$|\/__pycache__(\/|$)/, cause: 'bytecode' },
  {
    path: /^\/var\/cache\/fontconfig\/|\/\.cache\/fontconfig\//,
    cause: 'other-cache',
    hint: remove('/var/cache/fontconfig/*'),
  },
  {
    path: /\/\.npm\/(_logs|_cacache|_update-notifier)/,
    cause: 'other-cache',
    hint: 'npm cache clean --force && rm -rf ~/.npm in the same step, or RUN --mount=type=cache,target=/root/.npm',
  },
  {
    path: /\/\.cache\/|\/\.(cargo\/registry|gradle|m2|yarn)\//,
    cause: 'other-cache',
    hint: `${remove('the directory')}, or give it a RUN --mount=type=cache`,
  },
  { path: /\/\.wget-hsts$/, cause: 'other-cache', hint: 'wget --no-hsts, or rm -f ~/.wget-hsts' },
  { path: /\/random[-_]seed$/, cause: 'random', hint: remove('the file') },
  {
    path: /^\/var\/cache\//,
    cause: 'other-cache',
    hint: remove('the directory below /var/cache'),
  },
  {
    path: /\.(a|tar|t[gx]z|zip|jar|whl|cpio)$/,
    causes: ['time', 'mtime'],
    cause: 'archive-times',
  },
  {
    causes: ['order'],
    command: /\b(make|ninja|gmake)\b[^&|;]*\s-j|\bxargs\b[^&|;]*\s-P|\bparallel\b|\bwait\b/,
    cause: 'parallel',
  },
  {
    causes: ['order', 'unknown', 'cpus', 'locale'],
    command: /\b(make|ninja|gmake)\b[^&|;]*\s-j/,
    cause: 'parallel',
  },
  {
    path: /\.(o|so(\.[\d.]+)?|exe)$|\/s?bin\//,
    causes: ['time'],
    hint: '__DATE__ and __TIME__ of the C preprocessor: set SOURCE_DATE_EPOCH for the compiler, and find them with -Wdate-time',
  },
  {
    causes: ['unknown'],
    command: /\$RANDOM\b|\/dev\/u?random|\bshuf\b|\bsort +-R\b|\bmktemp\b/,
    cause: 'random',
  },
  {
    path: /\.(gz|tgz|svgz)$/,
    causes: ['compressed', 'random', 'unknown'],
    cause: 'compressed',
    hint: 'what is in it differs: gzip itself is reproducible with -n',
  },
];

/** What a difference comes from, and what to do. */
export interface Diagnosis {
  readonly cause: Cause;
  readonly hint: string;
}

/**
 * @param path relative to the layer
 * @param cause what the files say by themselves
 * @param command text of the step's instruction
 */
export function diagnose(path: string, cause: Cause, command: string): Diagnosis {
  const rule = RULES.find(
    (each) =>
      (each.path?.test(`/${path}`) ?? true) &&
      (each.causes?.includes(cause) ?? true) &&
      (each.command?.test(command) ?? true),
  );
  const known = rule?.cause ?? cause;
  return { cause: known, hint: rule?.hint ?? HINTS[known] };
}
