# Enters a container: carries out a list of system calls, then becomes the container's program.
#
# Why this file exists: mount(2), unshare(2) and pivot_root(2) can't be called from Node, a native
# addon would need a compiler on every machine, and a chain of unshare | sh | mount | setpriv |
# chroot costs twice the time, can't do pivot_root (umount(8) would have to be loaded from the
# container's own tree) and hands the container's LD_PRELOAD to the host's programs. perl-base is
# on every Debian and wherever git is.
#
# Usage: perl enter.pl ARCH PROGRAM_FILE
#   ARCH          process.arch of node: x64 or arm64
#   PROGRAM_FILE  records of NUL-terminated fields: operation, number of operands, operands.
#                 src/exec/program.ts builds them; every operation below is one system call or a
#                 few, and none of them decides anything.
# File descriptor 3, if open, receives "setup: ..." or "exec: ..." when the program could not be
# started; it is closed on exec, so that an empty status means "started".
use strict;
use warnings;

my %SYSCALLS = (
    x64 => {
        mount => 165, umount2 => 166, pivot_root => 155, unshare => 272, prctl => 157,
        setgroups => 116, setresgid => 119, setresuid => 117, sethostname => 170, prlimit64 => 302,
    },
    arm64 => {
        mount => 40, umount2 => 39, pivot_root => 41, unshare => 97, prctl => 167,
        setgroups => 159, setresgid => 149, setresuid => 147, sethostname => 161, prlimit64 => 261,
    },
);
my ($PR_SET_PDEATHSIG, $PR_CAPBSET_DROP, $MNT_DETACH, $SIGKILL, $EINVAL) = (1, 24, 2, 9, 22);
my ($F_SETFD, $FD_CLOEXEC, $ENOENT, $ENOTDIR) = (2, 1, 2, 20);
my ($O_CREAT, $O_EXCL) = (0100, 0200);

my ($arch, $file) = @ARGV;
my $status;
if (open($status, '>&=', 3)) { fcntl($status, $F_SETFD, $FD_CLOEXEC); }
else { $status = \*STDERR; }

sub fail {
    my ($kind, $message, $code) = @_;
    syswrite($status, "$kind: $message\n");
    exit $code;
}

my $numbers = $SYSCALLS{$arch} or fail('setup', "no system call numbers for $arch", 125);
sub call {
    my ($name, @operands) = @_;
    return syscall($numbers->{$name}, @operands) != -1;
}

open(my $in, '<', $file) or fail('setup', "$file: $!", 125);
my @fields = do { local $/; split(/\0/, <$in>, -1) };
close $in;

# Waits for the container's first process, passes signals on to it, and ends as it ended.
my @PASSED_ON = qw(INT TERM HUP QUIT USR1 USR2 WINCH CONT);

# A signal that comes before there is somebody to pass it on to waits.
my %waiting;
sub hold_signals { for my $name (@PASSED_ON) { $SIG{$name} = sub { $waiting{$name} = 1 } } }
sub take_signals { $SIG{$_} = 'DEFAULT' for @PASSED_ON; %waiting = () }

sub supervise {
    my ($pid) = @_;
    # A terminal sends these two to its whole foreground group: the program has them already.
    my %own = -t STDIN ? (INT => 1, QUIT => 1) : ();
    for my $name (@PASSED_ON) { $SIG{$name} = $own{$name} ? 'IGNORE' : sub { kill $name, $pid }; }
    for my $name (grep { !$own{$_} } keys %waiting) { kill $name, $pid; }
    while (waitpid($pid, 0) == -1) { exit 125 unless $!{EINTR}; }
    exit($? & 127 ? 128 + ($? & 127) : $? >> 8);
}

# A process that changes its user loses its parent-death signal, so that this is called again then.
sub die_with_parent { call('prctl', $PR_SET_PDEATHSIG, $SIGKILL, 0, 0, 0) }

sub bind_over {
    my ($source, $path, $flags) = @_;
    return call('mount', $source, $path, '', 4096 | $flags, 0);
}

my %OPERATIONS = (
    'die-with-parent' => sub { die_with_parent() },
    'merge-output' => sub { open(STDERR, '>&', \*STDOUT) },
    unshare => sub { call('unshare', $_[0] + 0) },
    # From here on we are pid 1 of the pid namespace that was unshared before.
    fork => sub {
        hold_signals();
        my $pid = fork;
        return 0 unless defined $pid;
        supervise($pid) if $pid;
        take_signals();
        return die_with_parent();
    },
    mount => sub {
        my ($source, $target, $type, $flags, $data) = @_;
        return call('mount', $source, $target, $type, $flags + 0, $data eq '' ? 0 : $data);
    },
    # Hides a path if it is there: an empty read-only tmpfs over a directory, /dev/null over a file.
    mask => sub {
        my ($path, $null) = @_;
        return 1 unless -e $path;
        return call('mount', 'tmpfs', $path, 'tmpfs', 1, 'size=0k') if -d $path;
        return bind_over($null, $path, 0);
    },
    'read-only' => sub {
        my ($path) = @_;
        return 1 unless -e $path;
        return bind_over($path, $path, 16384) && call('mount', 'none', $path, '', 4096 | 32 | 1 | 14, 0);
    },
    mkdir => sub { my ($path, $mode) = @_; return mkdir($path, oct $mode) && chmod(oct $mode, $path) },
    # A working directory that the image names but does not hold, as every container runtime does.
    'make-path' => sub {
        my $path = '';
        for my $name (grep { $_ ne '' } split m{/}, $_[0]) {
            $path .= "/$name";
            return 0 unless -d $path || mkdir($path, 0755);
        }
        return 1;
    },
    # What was mounted around it belongs to others, who may exchange a directory for a link meanwhile:
    # each name is entered by itself, and must be the directory that was looked at.
    'mount-point' => sub {
        my ($base, $path, $kind) = @_;
        chdir($base) or return 0;
        my @names = split(m{/}, $path);
        my $last = pop @names;
        for my $name (@names) {
            lstat($name) || mkdir($name, 0755) || return 0;
            my ($device, $inode) = lstat($name);
            if (-l _ || !-d _) { $! = $ENOTDIR; return 0; }
            chdir($name) or return 0;
            my @entered = stat('.');
            if ($entered[0] != $device || $entered[1] != $inode) { $! = $ENOTDIR; return 0; }
        }
        if (!lstat($last)) {
            return mkdir($last, 0755) if $kind eq 'directory';
            return sysopen(my $handle, $last, $O_CREAT | $O_EXCL, 0644);
        }
        return 1 if -d _ ? $kind eq 'directory' : !-l _ && $kind eq 'file';
        $! = $ENOTDIR;
        return 0;
    },
    # A new network namespace has its loopback device down.
    'loopback-up' => sub {
        my ($SIOCSIFFLAGS, $IFF_UP) = (0x8914, 1);
        my ($AF_INET, $SOCK_DGRAM) = (2, 2);
        my $request = pack('a16 s x22', 'lo', $IFF_UP);
        socket(my $socket, $AF_INET, $SOCK_DGRAM, 0) or return 0;
        return ioctl($socket, $SIOCSIFFLAGS, $request);
    },
    touch => sub { return open(my $handle, '>', $_[0]) },
    symlink => sub { symlink($_[0], $_[1]) },
    # pivot_root(".", ".") stacks the old root over the new one; detaching it leaves the new one.
    pivot => sub {
        my ($root) = @_;
        my $dot = '.';
        return chdir($root) && call('pivot_root', $dot, $dot) && call('umount2', $dot, $MNT_DETACH) && chdir('/');
    },
    chroot => sub { return chroot($_[0]) && chdir('/') },
    chdir => sub { chdir($_[0]) },
    umask => sub { defined umask(oct $_[0]) },
    hostname => sub { call('sethostname', $_[0], length $_[0]) },
    rlimit => sub {
        my ($resource, $soft, $hard) = @_;
        return call('prlimit64', 0, $resource + 0, pack('QQ', $soft, $hard), 0);
    },
    # Everything not listed leaves the bounding set; EINVAL marks the kernel's last capability.
    capabilities => sub {
        my %keep = map { $_ => 1 } @_;
        for my $capability (0 .. 63) {
            next if $keep{$capability};
            next if call('prctl', $PR_CAPBSET_DROP, $capability, 0, 0, 0);
            return $! == $EINVAL;
        }
        return 1;
    },
    user => sub {
        my ($uid, $gid, @groups) = map { $_ + 0 } @_;
        my $list = pack('L*', @groups);
        return call('setgroups', scalar @groups, $list)
            && call('setresgid', $gid, $gid, $gid)
            && call('setresuid', $uid, $uid, $uid)
            && die_with_parent();
    },
    env => sub {
        %ENV = ();
        while (@_) { my ($name, $value) = splice(@_, 0, 2); $ENV{$name} = $value; }
        return 1;
    },
    exec => sub {
        my @argv = @_;
        no warnings 'exec';
        exec { $argv[0] } @argv;
        fail('exec', "$argv[0]: $!", $! == $ENOENT ? 127 : 126);
    },
);

while (@fields > 1) {
    my ($name, $count) = splice(@fields, 0, 2);
    my @operands = splice(@fields, 0, $count);
    my $operation = $OPERATIONS{$name} or fail('setup', "unknown operation $name", 125);
    # Only the names of what failed: env holds secrets, which never belong in a message.
    $operation->(@operands)
        or fail('setup', join(' ', $name, $name eq 'env' ? () : @operands) . ": $!", 125);
}
fail('setup', 'the program has no exec', 125);
