/** What facts about a machine mean for wiac, and what mends what is missing. Pure. */
import { addRange } from '../util/free-range.js';
import { NO_NEW_PRIVILEGES } from '../util/no-new-privileges.js';
import type { MachineFacts, Trial } from './facts.js';

/** `missing`: something does not work. `note`: something that not everybody needs. */
export type State = 'ok' | 'note' | 'missing';

/** One line of the report. */
export interface Finding {
  readonly name: string;
  readonly state: State;
  readonly text: string;
  /** The command that mends it, or what to do. */
  readonly mend?: string;
}

type Judge = (facts: MachineFacts) => Finding | undefined;

const LEAST_KERNEL = [5, 12] as const;
const LEAST_FREE = 1e9;
const LEAST_OPEN_FILES = 1024;
const LEAST_WATCHES = 8192;
/** Behind it no clock is that was ever set. */
const RELEASED = Date.UTC(2026, 0, 1);
/** File systems without what the store needs: FIFOs that say who lives, locks, overlays. */
const REMOTE_FILE_SYSTEMS: Readonly<Record<number, string>> = {
  26985: 'NFS',
  20859: 'SMB',
  4283649346: 'CIFS',
  4266872130: 'SMB2',
  16914839: '9P',
  1702057286: 'FUSE',
};

function ok(name: string, text: string): Finding {
  return { name, state: 'ok', text };
}

function tried(name: string, trial: Trial, works: string, mend: string): Finding {
  return trial.works
    ? ok(name, works)
    : { name, state: 'missing', text: trial.why, mend: trial.mend ?? mend };
}

const bytes = (count: number) => `${(count / 1e9).toFixed(1)} GB`;

const kernel: Judge = ({ kernel: release, missingCalls }) => {
  const [major = 0, minor = 0] = release.split(/[.-]/).map(Number);
  const isOld = major < LEAST_KERNEL[0] || (major === LEAST_KERNEL[0] && minor < LEAST_KERNEL[1]);
  if (!isOld && missingCalls.length > 0)
    return {
      ...{
        name: 'kernel',
        state: 'missing',
        text: `${release} without ${missingCalls.join(', ')}`,
      },
      mend: 'in a container: docker run --security-opt seccomp=unconfined; else another kernel',
    };
  if (!isOld) return ok('kernel', release);
  const text = `${release}: wiac needs Linux ${LEAST_KERNEL.join('.')} or newer`;
  return { name: 'kernel', state: 'missing', text, mend: 'boot a newer kernel' };
};

const helper: Judge = ({ helper: trial }) =>
  tried('wiac-sys', trial, 'is there', 'in a clone: npm run build; else install wiac again');

/** What unshare(1) says of a container that may not mount. */
const MAY_NOT_MOUNT = /^unshare: .*Operation not permitted/;

const overlay: Judge = ({ overlay: trial, store, user }) => {
  const mend =
    user.uid === 0 && !trial.works && MAY_NOT_MOUNT.test(trial.why)
      ? 'in a container: give it --cap-add SYS_ADMIN, or --privileged'
      : `modprobe overlay; if that is no help, a store elsewhere: WIAC_ROOT=DIR (not ${store.root})`;
  return tried('overlayfs', trial, 'can be mounted where the store is', mend);
};

const userNamespace: Judge = ({ user, userNamespace: trial }) => {
  if (user.uid === 0) return undefined;
  const mend =
    'as root: sysctl -w user.max_user_namespaces=15000 kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0 (those that there are)';
  return tried('user namespaces', trial, 'this user may make one', mend);
};

const ranges: Judge = ({ user, ranges: { subuid, subgid, uidmap, free }, noNewPrivileges }) => {
  if (user.uid === 0) return undefined;
  const name = 'users';
  if (!uidmap)
    return {
      ...{ name, state: 'missing', text: 'newuidmap is missing: nobody but root in a container' },
      mend: 'apt-get install uidmap',
    };
  if (subuid && subgid && noNewPrivileges)
    return { name, state: 'missing', text: NO_NEW_PRIVILEGES.text, mend: NO_NEW_PRIVILEGES.hint };
  if (subuid && subgid) return ok(name, 'ranges in /etc/subuid and /etc/subgid');
  return {
    ...{ name, state: 'missing', text: 'no ranges of users: nobody but root in a container' },
    mend: addRange(free, user.name),
  };
};

const controlGroups: Judge = ({ controlGroups: version }) => {
  const name = 'limits';
  if (version !== undefined) return ok(name, `control groups of version ${version}`);
  return {
    ...{
      name,
      state: 'note',
      text: 'wiac may make no control group: no --memory, --cpus, --pids-limit',
    },
    mend: 'run it as root, or in a scope of its own: systemd-run --user --scope -p Delegate=yes wiac ...',
  };
};

const network: Judge = ({ programs }) =>
  programs.pasta || programs.slirp4netns
    ? ok('private network', programs.pasta ? 'pasta' : 'slirp4netns')
    : {
        ...{ name: 'private network', state: 'note', text: 'no pasta: no --network=private' },
        mend: 'apt-get install passt',
      };

const programs: Judge = ({ programs: there }) => {
  const wanted = { git: 'repositories', zstd: 'layers packed by zstd' };
  const missing = Object.entries(wanted).filter(([program]) => !there[program]);
  if (missing.length === 0) return ok('programs', Object.keys(wanted).join(', '));
  return {
    name: 'programs',
    state: 'note',
    text: missing.map(([program, use]) => `no ${program}: no ${use}`).join('; '),
    mend: `apt-get install ${missing.map(([program]) => program).join(' ')}`,
  };
};

const foreign: Judge = ({ foreign: all }) =>
  all.length > 0
    ? ok('other platforms', `RUN works for ${all.join(', ')}`)
    : {
        ...{
          name: 'other platforms',
          state: 'note',
          text: 'RUN works for this machine’s own alone',
        },
        mend: 'apt-get install qemu-user-static binfmt-support',
      };

const store: Judge = ({ store: { root, writable, opens, type } }) => {
  const remote = REMOTE_FILE_SYSTEMS[type];
  if (remote !== undefined)
    return {
      ...{ name: 'store', state: 'missing', text: `${root} is on ${remote}` },
      mend: 'use a disk of this machine: WIAC_ROOT=DIR',
    };
  return tried(
    'store',
    writable.works ? opens : writable,
    root,
    'choose another place: WIAC_ROOT=DIR',
  );
};

const disk: Judge = ({ store: { free, size } }) => {
  const text = `${bytes(free)} of ${bytes(size)} are free`;
  if (free >= LEAST_FREE) return ok('disk', text);
  return { name: 'disk', state: 'missing', text, mend: 'wiac cache prune --keep-bytes 1G' };
};

const clock: Judge = ({ now, store: { clockSkew } }) => {
  const set = 'set the clock: timedatectl set-ntp true';
  if (now < RELEASED)
    return {
      name: 'clock',
      state: 'missing',
      text: `it is ${new Date(now).toISOString()}`,
      mend: set,
    };
  if (Math.abs(clockSkew) < 2000) return ok('clock', new Date(now).toISOString());
  const text = `the disk's clock differs by ${Math.round(clockSkew / 1000)} s`;
  return { name: 'clock', state: 'note', text, mend: set };
};

const limits: Judge = ({ openFiles, watches }) => {
  if (openFiles < LEAST_OPEN_FILES) {
    const text = `a process may have ${openFiles} files open`;
    return { name: 'open files', state: 'note', text, mend: `ulimit -n ${LEAST_OPEN_FILES}` };
  }
  if (watches >= LEAST_WATCHES) return ok('open files', `${openFiles}; ${watches} watches`);
  const text = `${watches} directories may be watched: too few for --watch`;
  return {
    name: 'open files',
    state: 'note',
    text,
    mend: 'sysctl -w fs.inotify.max_user_watches=65536',
  };
};

const proxies: Judge = ({ proxies: all }) => {
  const list = Object.entries(all).map(([name, value]) => `${name}=${value}`);
  return ok('proxies', list.length === 0 ? 'none' : list.join(' '));
};

const logins: Judge = ({ logins: files }) => {
  const broken = files.find(({ why }) => why !== undefined);
  if (broken)
    return {
      ...{ name: 'logins', state: 'missing', text: broken.why ?? '' },
      mend: `mend or remove ${broken.file}`,
    };
  const hosts = [...new Set(files.flatMap((file) => file.hosts))];
  if (hosts.length > 0) return ok('logins', hosts.join(', '));
  return { name: 'logins', state: 'note', text: 'no registry', mend: 'wiac login REGISTRY' };
};

const JUDGES: readonly Judge[] = [
  ...[kernel, helper, overlay, userNamespace, ranges, controlGroups],
  ...[store, disk, clock, limits, network, programs, foreign, proxies, logins],
];

/** All findings, in an order to read them in. */
export function judge(facts: MachineFacts): Finding[] {
  return JUDGES.flatMap((each) => each(facts) ?? []);
}
