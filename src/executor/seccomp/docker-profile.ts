/**
 * Docker's default profile. Its facts are those of moby/profiles, seccomp/default.json, as of November 2026 (commit
 * 02e898b): which calls, under which conditions, with which capabilities. Architectures that wiac does not run on
 * are left out.
 */
import type { Condition, Profile, Rule } from './profile.js';
import { ALLOW, ENOSYS, EPERM, fail } from './profile.js';

function words(text: string): string[] {
  return text.trim().split(/\s+/);
}

/** Allowed to everybody. */
const ALWAYS = words(`
_llseek _newselect
accept accept4 access adjtimex alarm
bind brk
cachestat capget capset chdir chmod chown chown32 clock_adjtime clock_adjtime64 clock_getres clock_getres_time64
clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64 close close_range connect copy_file_range creat
dup dup2 dup3
epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2
execve execveat exit exit_group
faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32
fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs
fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake futimesat
get_robust_list get_thread_area getcpu getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32
getgroups getgroups32 getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid getresgid32
getresuid getresuid32 getrlimit getrusage getsid getsockname getsockopt gettid gettimeofday getuid getuid32 getxattr
getxattrat
inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents
io_pgetevents_time64 io_setup io_submit ioctl ioprio_get ioprio_set ipc
kill
landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown lchown32 lgetxattr link linkat listen listmount
listxattr listxattrat llistxattr lremovexattr lseek lsetxattr lstat lstat64
madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall
mmap mmap2 mprotect mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend
mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync munlock munlockall munmap
name_to_handle_at nanosleep newfstatat
open openat openat2
pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64 prctl pread64
preadv preadv2 prlimit64 process_mrelease pselect6 pselect6_time64 pwrite64 pwritev pwritev2
read readahead readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages removexattr
removexattrat rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigpending
rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo
sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler
sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler
sched_yield seccomp select semctl semget semop semtimedop semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg
sendto set_robust_list set_thread_area set_tid_address setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32
setgroups setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32
setreuid setreuid32 setrlimit setsid setsockopt setuid setuid32 setxattr setxattrat shmat shmctl shmdt shmget shutdown
sigaltstack signalfd signalfd4 sigprocmask sigreturn socketcall socketpair splice stat stat64 statfs statfs64 statmount
statx symlink symlinkat sync sync_file_range syncfs sysinfo
tee tgkill time timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64
timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill truncate truncate64
ugetrlimit umask uname unlink unlinkat uretprobe utime utimensat utimensat_time64 utimes
vfork vmsplice
wait4 waitid waitpid write writev`);

/** Calls that a capability brings. */
const WITH: readonly (readonly [capability: string, calls: string])[] = [
  ['BPF', 'bpf'],
  ['DAC_READ_SEARCH', 'open_by_handle_at'],
  ['PERFMON', 'perf_event_open'],
  [
    'SYS_ADMIN',
    `bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr lsm_list_modules
    lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname
    sethostname setns syslog umount umount2 unshare`,
  ],
  ['SYS_BOOT', 'reboot'],
  ['SYS_CHROOT', 'chroot'],
  ['SYS_MODULE', 'delete_module finit_module init_module'],
  ['SYS_NICE', 'get_mempolicy mbind set_mempolicy set_mempolicy_home_node'],
  ['SYS_PACCT', 'acct'],
  ['SYS_PTRACE', 'kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace'],
  ['SYS_RAWIO', 'ioperm iopl'],
  ['SYS_TIME', 'clock_settime clock_settime64 settimeofday stime'],
  ['SYS_TTY_CONFIG', 'vhangup'],
  ['SYSLOG', 'syslog'],
];

/** Calls that only programs of these architectures have. */
const ON: readonly (readonly [architectures: readonly string[], calls: string])[] = [
  [['amd64', 'x32'], 'arch_prctl'],
  [['amd64', 'x32', 'x86'], 'modify_ldt'],
  [
    ['arm', 'arm64'],
    'arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls sync_file_range2',
  ],
];

/**
 * Families of sockets: all below 12, and these. Not among them are DECnet (12), Econet (19), ATM (20), IrDA (23),
 * WANPIPE (25), ISDN (34), CAIF (37), AF_ALG (38) and AF_VSOCK (40).
 */
const FIRST_FAMILIES = 12n;
const FAMILIES = [
  ...[13, 14, 15, 16, 17, 18, 21, 22, 24, 26, 27, 28, 29, 30, 31, 32, 33, 35, 36, 39, 41, 42, 43],
  ...[44, 45],
];

/** Personalities: Linux, of 32 bits, with 2.6 as its version; 0xffffffff asks what it is. */
const PERSONALITIES = [0x0, 0x8, 0x20000, 0x20008, 0xffffffff];

/** CLONE_NEW*: namespaces of mounts, control groups, names, IPC, users, processes and networks. */
const NAMESPACES = 0x7e020000n;

const allow = (calls: readonly string[], rest: Partial<Rule> = {}): Rule => ({
  calls,
  action: ALLOW,
  conditions: [],
  ...rest,
});

function first(operator: Condition['operator'], value: bigint, masked?: bigint): Partial<Rule> {
  const condition = { argument: 0, operator, value };
  return { conditions: [masked === undefined ? condition : { ...condition, masked }] };
}

export const DOCKER_PROFILE: Profile = {
  otherwise: fail(EPERM),
  rules: [
    allow(ALWAYS),
    allow(words('process_vm_readv process_vm_writev ptrace'), { only: { kernel: [4, 8] } }),
    allow(['socket'], first('<', FIRST_FAMILIES)),
    ...FAMILIES.map((family) => allow(['socket'], first('==', BigInt(family)))),
    ...PERSONALITIES.map((value) => allow(['personality'], first('==', BigInt(value)))),
    ...ON.map(([architectures, calls]) => allow(words(calls), { only: { architectures } })),
    ...WITH.map(([name, calls]) => allow(words(calls), { only: { capabilities: [name] } })),
    allow(['clone'], { ...first('masked', NAMESPACES, 0n), not: { capabilities: ['SYS_ADMIN'] } }),
    // Its flags lie in memory, where a filter can't look. libc goes on with clone.
    { ...allow(['clone3'], { not: { capabilities: ['SYS_ADMIN'] } }), action: fail(ENOSYS) },
  ],
};
