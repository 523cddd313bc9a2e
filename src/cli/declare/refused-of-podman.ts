/** Options that podman run has and docker run lacks, and what does the same in wiac. */

const PLATFORM = '--platform os/architecture[/variant] says all three';
const PULL = 'it goes with wiac pull: pull the image first';
const NOTHING_LEFT = 'leave it out: nothing is left of a run that could be in the way';
const NO_PODS = 'leave it out: there are no pods; the programs on this machine reach each other';
const NO_MONITOR = 'leave it out: wiac is the process, and ends with the exit code of the program';
const IDS = 'ranges come from /etc/subuid and /etc/subgid';
const PASSWD = '--user takes numbers that are in no /etc/passwd; -v FILE:/etc/passwd shows another';
const CGROUP = '--memory, --cpus and --pids-limit make a cgroup, and are all that is set in it';
const UNSET = 'run it through env: wiac run NAME env -u VARIABLE PROGRAM';
const DIRECTORY = 'wiac run LOWERDIRS CONTAINERLAYER PROGRAM runs a program in directories';

/** By the long name of the option, without dashes. */
export const BY_PODMAN_RUN: Readonly<Record<string, string>> = {
  arch: PLATFORM,
  authfile: PULL,
  'cert-dir': PULL,
  'cgroup-conf': CGROUP,
  cgroups: CGROUP,
  chrootdirs: 'leave it out: resolv.conf and hosts are shown in the root alone',
  'conmon-pidfile': NO_MONITOR,
  creds: PULL,
  'decryption-key': 'decrypt the image first: skopeo copy --decryption-key',
  'env-host': 'name the variables: -e NAME takes its value from the environment',
  'env-merge': 'write the whole value: -e NAME=VALUE',
  gidmap: IDS,
  'health-on-failure': 'leave it out: nobody asks whether the program is well',
  hostuser: PASSWD,
  'http-proxy': 'name the variables: -e http_proxy takes its value from the environment',
  'image-volume': '--tmpfs DIRECTORY or -v SOURCE:DIRECTORY for each VOLUME of the image',
  'init-path': '--init has a process 1 of its own',
  'no-hosts': '-v FILE:/etc/hosts shows a file of your own',
  os: PLATFORM,
  passwd: PASSWD,
  'passwd-entry': PASSWD,
  personality: 'run it through setarch: setarch linux32 wiac run ...',
  pidfile: NO_MONITOR,
  pod: NO_PODS,
  'pod-id-file': NO_PODS,
  'preserve-fds': 'use standard input and output, or show a file: -v FILE:FILE',
  'read-only-tmpfs': '--tmpfs /tmp beside --read-only',
  replace: NOTHING_LEFT,
  requires: NOTHING_LEFT,
  rmi: 'wiac rmi NAME afterwards',
  rootfs: DIRECTORY,
  sdnotify: NO_MONITOR,
  'seccomp-policy': '--security-opt seccomp=FILE',
  secret: '-v FILE:/run/secrets/NAME:ro shows a file, -e NAME sets a variable',
  subgidname: IDS,
  subuidname: IDS,
  systemd: 'leave it out: wiac prepares nothing for systemd in a container',
  timeout: 'timeout SECONDS wiac run ...',
  'tls-verify': PULL,
  tz: '-e TZ=ZONE, where the image has zones; -v /etc/localtime:/etc/localtime:ro for the local one',
  uidmap: IDS,
  umask: "run it through sh: wiac run NAME sh -c 'umask 027; exec PROGRAM'",
  unsetenv: UNSET,
  'unsetenv-all': 'run it through env: wiac run NAME env -i PROGRAM',
  variant: PLATFORM,
};
