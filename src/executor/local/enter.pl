# Enters a container: carries out a list of system calls, then becomes the container's program.
#
# Why this file exists: mount(2), unshare(2) and pivot_root(2) can't be called from Node, a native
# addon would need a compiler on every machine, and a chain of unshare | sh | mount | setpriv |
# chroot costs twice the time, can't do pivot_root (umount(8) would have to be loaded from the
# container's own tree) and hands the container's LD_PRELOAD to the host's programs. perl-base is
# on every Debian and wherever git is.
#
# Usage: perl -w enter.pl ARCH
#   ARCH     process.arch of node: x64 or arm64
# Descriptor 3 receives "setup: ..." or "exec: ..." when the program could not be started, and
# "output: ..." when our caller's streams did not take what it wrote. Descriptor 4 gives the operations:
# records of NUL-terminated fields, each with operation, number of operands, operands.
# src/executor/local/operations.ts builds them; every operation below is one system call or a few, and none
# of them decides anything. What a module would bring (-w, numbers of errors) costs milliseconds to
# load, for each step of a build.
use strict;

# System calls with one number on all architectures, and what they are given.
my ($OPEN_TREE, $MOVE_MOUNT, $CLOSE_RANGE, $OPENAT2, $MOUNT_SETATTR);
my ($AT_FDCWD, $AT_EMPTY_PATH, $AT_RECURSIVE, $CLONE_TREE);

sub fail {
    my ($kind, $message, $code) = @_;
    if (open(my $status, '>&=', 3)) { syswrite($status, "$kind: $message\n") }
    exit $code;
}

# A mount that is attached nowhere: what is at a path, or behind a descriptor, with attributes of
# its own (those of mount_setattr(2)). The operands are those of open_tree(2).
sub clone_tree {
    my ($directory, $path, $flags, $attributes) = @_;
    my $itself = '';
    my $tree = syscall($OPEN_TREE, $directory, $path, $CLONE_TREE | $flags);
    return $tree if $tree == -1 || !$attributes;
    my $set = pack('Q4', $attributes, 0, 0, 0);
    my $scope = $AT_EMPTY_PATH | ($flags & $AT_RECURSIVE);
    return $tree if syscall($MOUNT_SETATTR, $tree, $itself, $scope, $set, length $set) != -1;
    return -1;
}

# What the caller opened ends here; and this perl runs again from a read-only mount of its own file.
# Else "#!/proc/self/exe" as the container's program would be this perl, and root in there could
# change its mode or its content, on the host. In the same way standard input is no way to write to
# the file that it comes from. BEGIN: the rest of this file is read only once.
BEGIN {
    ($OPEN_TREE, $MOVE_MOUNT, $CLOSE_RANGE, $OPENAT2, $MOUNT_SETATTR) = (428, 429, 436, 437, 442);
    ($AT_FDCWD, $AT_EMPTY_PATH, $AT_RECURSIVE, $CLONE_TREE) = (-100, 0x1000, 0x8000, 0x80001);
    if (@ARGV == 1) {
        my ($own, $last, $RDONLY) = (5, 0xffffffff, 1);
        syscall($CLOSE_RANGE, $own, $last, 0) != -1 or fail('setup', "close_range: $!", 125);
        if (!-t STDIN && !-p STDIN && !-S STDIN) {
            my $offset = sysseek(STDIN, 0, 1);
            # In a user namespace this is refused, and there the file is the user's own.
            my $input = clone_tree(0, '', $AT_EMPTY_PATH, $RDONLY);
            if ($input != -1 && open(STDIN, '<', "/proc/self/fd/$input")) {
                sysseek(STDIN, $offset, 0) if $offset;
            }
        }
        my $self = clone_tree($AT_FDCWD, '/proc/self/exe', 0, $RDONLY);
        fail('setup', "open_tree: $!", 125) if $self == -1;
        exec { "/proc/self/fd/$self" } 'perl', '-w', $0, @ARGV, 'again' or fail('setup', "perl: $!", 125);
    }
}

my %SYSCALLS = (
    x64 => {
        mount => 165, umount2 => 166, pivot_root => 155, unshare => 272, prctl => 157, close => 3,
        setgroups => 116, setresgid => 119, setresuid => 117, sethostname => 170, prlimit64 => 302,
        setsid => 112, capget => 125, capset => 126, keyctl => 250, mknodat => 259,
    },
    arm64 => {
        mount => 40, umount2 => 39, pivot_root => 41, unshare => 97, prctl => 167, close => 57,
        setgroups => 159, setresgid => 149, setresuid => 147, sethostname => 161, prlimit64 => 261,
        setsid => 157, capget => 90, capset => 91, keyctl => 219, mknodat => 33,
    },
);
my ($PR_SET_PDEATHSIG, $PR_CAPBSET_DROP, $PR_SET_SECUREBITS, $PR_CAP_AMBIENT) = (1, 24, 28, 47);
my ($MNT_DETACH, $SIGKILL, $SIGIO) = (2, 9, 29);
my ($F_SETFD, $FD_CLOEXEC) = (2, 1);
my ($EPERM, $ENOENT, $EINTR, $ENOTDIR, $EINVAL, $ENOSYS) = (1, 2, 4, 20, 22, 38);
my ($O_CREAT, $O_EXCL) = (0100, 0200);

my ($arch) = @ARGV;
my $numbers = $SYSCALLS{$arch} or fail('setup', "no system call numbers for $arch", 125);
sub call {
    my ($name, @operands) = @_;
    return syscall($numbers->{$name}, @operands) != -1;
}

sub close_number {
    local $!;
    call('close', $_[0]);
}

open(my $status, '>&=', 3) or exit 125;
fcntl($status, $F_SETFD, $FD_CLOEXEC);
open(my $in, '<&=', 4) or fail('setup', "descriptor 4: $!", 125);
my @fields = do { local $/; split(/\0/, <$in>, -1) };
close $in;

# What is between the program's streams and those of our caller.
require $0 =~ s{[^/]*$}{relay.pl}r;

# ---- The process that waits for the container's first one, passes signals on to it, and ends as it
# ended.
my @PASSED_ON = qw(INT TERM HUP QUIT USR1 USR2 WINCH CONT);

# A signal that comes before the program runs waits.
my %waiting;
sub hold_signals { for my $name (@PASSED_ON) { $SIG{$name} = sub { $waiting{$name} = 1 } } }
sub take_signals { $SIG{$_} = 'DEFAULT' for @PASSED_ON; %waiting = () }

sub supervise {
    my ($pid) = @_;
    # With --isolation=chroot the container's programs could reach it in the inner one of us.
    close $status unless is_relaying();
    for my $name (@PASSED_ON) { $SIG{$name} = sub { kill $name, $pid }; }
    kill $_, $pid for keys %waiting;
    # SIGKILL would leave a setuid program running, which does not die with us, and a terminal as the
    # program had it.
    $SIG{IO} = sub { restore_terminal(); kill 'KILL', $pid };
    die_with_parent($SIGIO);
    my $ended = relay($pid);
    until (defined $ended) {
        # Of a pid namespace's first process all orphans are children: they too are waited for.
        my $found = waitpid(-1, 0);
        if ($found == $pid) { $ended = $? }
        elsif ($found == -1 && $! != $EINTR) { exit 125 }
    }
    restore_terminal();
    fail('output', lost_output(), 125) if defined lost_output();
    exit($ended & 127 ? 128 + ($ended & 127) : $ended >> 8);
}

# A process that changes its user loses its parent-death signal, so that this is called again then.
# With another signal than SIGKILL it can clear up before it ends.
sub die_with_parent { call('prctl', $PR_SET_PDEATHSIG, $_[0] // $SIGKILL, 0, 0, 0) }

# ---- Mounts

# Calls an action with the descriptor of a path of the container. Its symbolic links are followed
# within the container's root: those of an image or a cache mount must not lead to the host.
# @returns undef when it is not there
sub inside {
    my ($root, $path, $action) = @_;
    my ($O_PATH, $O_CLOEXEC, $RESOLVE_IN_ROOT) = (0x200000, 0x80000, 0x10);
    open(my $directory, '<', $root) or return 0;
    my $how = pack('Q3', $O_PATH | $O_CLOEXEC, 0, $RESOLVE_IN_ROOT);
    my $found = syscall($OPENAT2, fileno $directory, $path, $how, length $how);
    return $! == $ENOENT ? undef : 0 if $found == -1;
    my $done = $action->($found);
    close_number($found);
    return $done;
}

sub attach {
    my ($tree, $target) = @_;
    my ($FROM_EMPTY_PATH, $TO_EMPTY_PATH) = (0x4, 0x40);
    return 0 if $tree == -1;
    my ($from, $to) = ('', '');
    my $done = syscall($MOVE_MOUNT, $tree, $from, $target, $to, $FROM_EMPTY_PATH | $TO_EMPTY_PATH) != -1;
    close_number($tree);
    return $done;
}

sub mount_at {
    my ($source, $target, $type, $flags, $data) = @_;
    return call('mount', $source, $target, $type, $flags + 0, $data eq '' ? 0 : $data);
}

my ($RDONLY, $HARDENED) = (1, 14);

my %OPERATIONS = (
    # The caller may have ended before we asked for the signal.
    'die-with-parent' => sub { die_with_parent() && getppid == $_[0] },
    'capture-output' => \&capture_output,
    'relay-streams' => \&relay_streams,
    'null-input' => sub { open(STDIN, '<', '/dev/null') },
    # A session of its own, with our terminal if there is one.
    session => sub { call('setsid') && control_terminal() },
    # Whatever the caller has to hand on to its children.
    'drop-inherited' => sub {
        my ($CLEAR_ALL, $JOIN_SESSION_KEYRING, $VERSION_3) = (4, 1, 0x20080522);
        # A kernel or a sandbox without keyrings has none to read either.
        call('keyctl', $JOIN_SESSION_KEYRING, 0, 0, 0, 0) || $! == $ENOSYS || $! == $EPERM or return 0;
        # Some bits can be locked, and then we are as restricted as our caller.
        call('prctl', $PR_SET_SECUREBITS, 0, 0, 0, 0);
        my ($header, $sets) = (pack('Ll', $VERSION_3, 0), pack('L6', (0) x 6));
        syscall($numbers->{capget}, $header, $sets) != -1 or return 0;
        my @sets = unpack('L6', $sets);
        # effective, permitted, inheritable; capabilities 0 to 31, then those from 32 on.
        $sets = pack('L6', @sets[0, 1], 0, @sets[3, 4], 0);
        return call('capset', $header, $sets) && call('prctl', $PR_CAP_AMBIENT, $CLEAR_ALL, 0, 0, 0);
    },
    unshare => sub { call('unshare', $_[0] + 0) },
    # From here on we are pid 1 of the pid namespace that was unshared before.
    fork => sub {
        hold_signals();
        my $pid = fork;
        return 0 unless defined $pid;
        supervise($pid) if $pid;
        take_signals();
        leave_relays();
        return die_with_parent();
    },
    mount => \&mount_at,
    'mount-in' => sub {
        my ($root, $source, $target, @rest) = @_;
        return inside($root, $target, sub { mount_at($source, "/proc/self/fd/$_[0]", @rest) });
    },
    'bind-in' => sub {
        my ($root, $source, $target, $attributes) = @_;
        my $tree = clone_tree($AT_FDCWD, $source, $AT_RECURSIVE, $attributes + 0);
        return inside($root, $target, sub { attach($tree, $_[0]) });
    },
    restrict => sub {
        my ($path, $attributes) = @_;
        my $set = pack('Q4', $attributes + 0, 0, 0, 0);
        return syscall($MOUNT_SETATTR, $AT_FDCWD, $path, 0, $set, length $set) != -1;
    },
    # Hides a path if it is there: an empty read-only tmpfs over a directory, /dev/null over a file.
    mask => sub {
        my ($root, $path) = @_;
        return inside($root, $path, sub {
            my $place = "/proc/self/fd/$_[0]";
            return mount_at('tmpfs', $place, 'tmpfs', $RDONLY, 'size=0k') if -d $place;
            return attach(clone_tree($AT_FDCWD, '/dev/null', 0, $RDONLY), $_[0]);
        }) // 1;
    },
    'read-only' => sub {
        my ($root, $path) = @_;
        my $flags = $AT_EMPTY_PATH | $AT_RECURSIVE;
        return inside($root, $path, sub {
            attach(clone_tree($_[0], '', $flags, $RDONLY | $HARDENED), $_[0]);
        }) // 1;
    },
    # A device below the working directory. Made anew, because root may change the mode of the host's
    # own; where that is refused, that one, read-only. A mount of its own works where devices do not.
    device => sub {
        my ($source, $path, $kind, $major, $minor, $mode, $uid, $gid, $mounted) = @_;
        my ($BIND, $type) = (4096, $kind eq 'block' ? 060000 : 020000);
        my $number = $minor & 0xff | ($major & 0xfff) << 8 | ($minor & ~0xff) << 12;
        if (call('mknodat', $AT_FDCWD, $path, $type | $mode, $number)) {
            return chmod($mode, $path)
                && chown($uid, $gid, $path)
                && (!$mounted || mount_at($path, $path, '', $BIND, ''));
        }
        open(my $place, '>', $path) or return 0;
        my $tree = clone_tree($AT_FDCWD, $source, 0, $RDONLY);
        # A device that was unplugged meanwhile.
        return unlink $path if $tree == -1 && $! == $ENOENT;
        return attach($tree, fileno $place);
    },
    'join-cgroup' => sub {
        open(my $members, '>', $_[0]) or return 0;
        return syswrite($members, '0') && close $members;
    },
    mkdir => sub { my ($path, $mode) = @_; return mkdir($path, oct $mode) && chmod(oct $mode, $path) },
    # The content is written in hexadecimal digits.
    write => sub {
        my ($path, $mode, $uid, $gid, $content) = @_;
        open(my $file, '>', $path) or return 0;
        my $bytes = pack('H*', $content);
        return print($file $bytes) && close($file) && chown($uid, $gid, $path) && chmod(oct $mode, $path);
    },
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
        my ($root, $base, $path, $kind) = @_;
        inside($root, $base, sub { chdir("/proc/self/fd/$_[0]") }) or return 0;
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
    symlink => sub { symlink($_[0], $_[1]) },
    # pivot_root(".", ".") stacks the old root over the new one; detaching it leaves the new one.
    pivot => sub {
        my ($root) = @_;
        my $dot = '.';
        return chdir($root) && call('pivot_root', $dot, $dot) && call('umount2', $dot, $MNT_DETACH) && chdir('/');
    },
    chroot => sub { return chroot($_[0]) && chdir('/') },
    chdir => sub { chdir($_[0]) },
    'chdir-in' => sub { inside($_[0], $_[1], sub { chdir("/proc/self/fd/$_[0]") }) },
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
    'no-new-privileges' => sub { call('prctl', 38, 1, 0, 0, 0) },
    # While we have a capability for it: else no program in there could be setuid.
    seccomp => sub {
        my ($PR_SET_SECCOMP, $MODE_FILTER) = (22, 2);
        my $filter = pack('H*', $_[0]);
        my $program = pack('S x6 P', length($filter) / 8, $filter);
        return call('prctl', $PR_SET_SECCOMP, $MODE_FILTER, $program, 0, 0);
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
        local $^W = 0;
        exec { $argv[0] } @argv or fail('exec', "$argv[0]: $!", $! == $ENOENT ? 127 : 126);
    },
);

# What perl itself has to say is no message of the container's program.
$SIG{__DIE__} = sub { fail('setup', $_[0], 125) };
while (@fields > 1) {
    my ($name, $count) = splice(@fields, 0, 2);
    my @operands = splice(@fields, 0, $count);
    my $operation = $OPERATIONS{$name} or fail('setup', "unknown operation $name", 125);
    # Only the names of what failed: env and write hold secrets, which never belong in a message.
    $operation->(@operands)
        or fail('setup', join(' ', $name, $name =~ /^(env|write)$/ ? () : @operands) . ": $!", 125);
}
fail('setup', 'the program has no exec', 125);
