# The streams of a container's program: pipes and a terminal of its own, and what passes on what they
# carry to the streams of our caller. For enter.pl.
use strict;

my ($F_SETFL, $O_RDWR, $O_NOCTTY, $O_NONBLOCK) = (4, 2, 0x100, 0x800);
my ($PIDFD_OPEN, $EINTR, $EAGAIN, $EPIPE) = (434, 4, 11, 32);

# Each passes on what can be read `from` one handle `to` another; `data` is what was read.
my @relays;
# Why output could not be passed on.
my $lost;
# The caller's terminal and our own, if the caller has one.
my $terminal;

my ($TCGETS, $TCSETSW, $TIOCSCTTY, $TIOCGPGRP) = (0x5401, 0x5403, 0x540e, 0x540f);
my ($TIOCGWINSZ, $TIOCSWINSZ, $TIOCGPTN, $TIOCSPTLCK) = (0x5413, 0x5414, 0x80045430, 0x40045431);
my $OPOST = 1;

# As cfmakeraw(3).
sub raw {
    my ($input, $output, $control, $local, $line, @characters) = unpack('L4 C C19', $_[0]);
    $input &= ~02753;
    $output &= ~$OPOST;
    $control = $control & ~0460 | 060;
    $local &= ~0100113;
    @characters[5, 6] = (0, 1);
    return pack('L4 C C19', $input, $output, $control, $local, $line, @characters);
}

sub copy_window_size {
    return 1 unless $terminal->{caller};
    my $size = pack('S4', 0, 0, 0, 0);
    ioctl($terminal->{caller}, $TIOCGWINSZ, $size) && ioctl($terminal->{master}, $TIOCSWINSZ, $size);
}

# A terminal with the settings and the size of the caller's, if that has one.
# $ptmx: what makes terminals; $pts: the directory where they appear
sub open_terminal {
    my ($caller, $ptmx, $pts, $uid) = @_;
    my ($number, $locked) = (pack('L', 0), pack('L', 0));
    sysopen(my $master, $ptmx, $O_RDWR | $O_NOCTTY) or return 0;
    ioctl($master, $TIOCSPTLCK, $locked) && ioctl($master, $TIOCGPTN, $number) or return 0;
    sysopen(my $slave, "$pts/" . unpack('L', $number), $O_RDWR | $O_NOCTTY) or return 0;
    # So that its user can open it by name; not all may give theirs away, and it is open already.
    chown($uid, -1, $slave);
    fcntl($master, $F_SETFL, $O_RDWR | $O_NONBLOCK) or return 0;
    $terminal = { caller => $caller, master => $master, slave => $slave };
    return 1 unless $caller;
    my $settings = "\0" x 64;
    ioctl($caller, $TCGETS, $settings) or return 0;
    my @settings = unpack('L4 C C19', $settings);
    # Without its keyboard the caller's terminal stays as it is, and ends lines itself.
    $settings[1] &= ~$OPOST unless -t STDIN;
    ioctl($slave, $TCSETSW, pack('L4 C C19', @settings)) or return 0;
    $terminal->{before} = $settings;
    return copy_window_size();
}

# Job control: the kernel stops a background process that reads or sets the terminal.
sub in_foreground {
    my $group = pack('l', 0);
    return !ioctl($terminal->{caller}, $TIOCGPGRP, $group) || unpack('l', $group) == getpgrp;
}

sub listen_to_keys {
    return 0 unless in_foreground();
    return 1 if $terminal->{raw}++;
    return ioctl($terminal->{caller}, $TCSETSW, raw($terminal->{before}));
}

# Makes a pipe that any user of the container may open again by name, as /dev/stdout or in a link.
sub relay_pipe {
    my ($to) = @_;
    my ($read, $write);
    pipe($read, $write) && chmod(0666, $write) or return;
    push @relays, { from => $read, to => $to, data => '' };
    return $write;
}

# Reads or writes once. False when there is nothing more to pass on.
sub pass_on {
    my ($relay, $readable, $writable) = @_;
    my ($from, $to) = @$relay{qw(from to)};
    if (length $relay->{data}) {
        return 1 unless vec($writable, fileno $to, 1);
        my $written = syswrite($to, $relay->{data});
        if (!defined $written) {
            return 1 if $! == $EINTR || $! == $EAGAIN;
            # A reader that has seen enough is no failure; the program notices it as we do.
            $lost //= "$!" unless $! == $EPIPE || $relay->{keys};
            return 0;
        }
        substr($relay->{data}, 0, $written) = '';
        return 1;
    }
    return 1 unless vec($readable, fileno $from, 1);
    my $read = sysread($from, $relay->{data}, 65536);
    return defined $read ? $read > 0 : $! == $EINTR || $! == $EAGAIN;
}

# Passes on until the process has ended, with all that it wrote. Somebody outside of the container may
# hold a pipe open for longer: whatever the container's processes wrote is in it by then.
# @returns the status of the process if it has ended
sub relay {
    my ($pid) = @_;
    my $ended;
    return unless @relays;
    $SIG{$_} = 'IGNORE' for qw(PIPE TTOU);
    if ($terminal) {
        $SIG{WINCH} = \&copy_window_size;
        delete $terminal->{slave};
    }
    close $_ for \*STDIN, \*STDOUT, \*STDERR;
    # A descriptor that can be read when the process has ended.
    my $number = syscall($PIDFD_OPEN, $pid, 0);
    open(my $process, '<&=', $number) or fail('setup', "pidfd_open: $!", 125);
    while (@relays) {
        my ($readable, $writable, $pending, $unheard) = ('', '', 0, 0);
        vec($readable, fileno $process, 1) = 1 unless defined $ended;
        for my $relay (@relays) {
            if (length $relay->{data}) { vec($writable, fileno $relay->{to}, 1) = $pending = 1 }
            elsif (!$relay->{keys} || listen_to_keys()) { vec($readable, fileno $relay->{from}, 1) = 1 }
            else { $unheard = 1 }
        }
        # A process gets no signal when it comes to the foreground.
        my $timeout = defined $ended && !$pending ? 0 : $unheard ? 1 : undef;
        my $found = select($readable, $writable, undef, $timeout);
        if ($found <= 0) {
            last if defined $ended && !$pending;
            next;
        }
        @relays = grep { pass_on($_, $readable, $writable) } @relays;
        next if defined $ended || !vec($readable, fileno $process, 1);
        next unless waitpid($pid, 0) == $pid;
        $ended = $?;
        @relays = grep { !$_->{keys} } @relays;
    }
    @relays = ();
    return $ended;
}

sub is_relaying { return @relays > 0 }

sub lost_output { return $lost }

sub restore_terminal {
    return unless $terminal && $terminal->{raw} && !$terminal->{restored}++;
    ioctl($terminal->{caller}, $TCSETSW, $terminal->{before});
}

# The process that runs the program does not pass on anything.
sub leave_relays {
    @relays = ();
    delete $terminal->{$_} for $terminal ? qw(caller master) : ();
}

# Makes our terminal, if there is one, that of this process's session.
sub control_terminal {
    return 1 unless $terminal;
    ioctl($terminal->{slave}, $TIOCSCTTY, 0) or return 0;
    undef $terminal;
    return 1;
}

# Output and errors go through one pipe: so they keep their order.
sub capture_output {
    open(my $caller, '>&', \*STDOUT) or return 0;
    my $write = relay_pipe($caller);
    return $write && open(STDOUT, '>&', $write) && open(STDERR, '>&', $write);
}

# For a program that has our caller's streams. Pipes are passed on as they are, each terminal is
# replaced by one of our own, and other files by a pipe: with a descriptor a program could read
# what is typed, or change a file's mode. With $always all three are one terminal of our own, also
# where the caller has none.
sub relay_streams {
    my ($ptmx, $pts, $uid, $always) = @_;
    my @caller;
    for my $stream (\*STDIN, \*STDOUT, \*STDERR) {
        my $mode = -t $stream ? '+<&' : $stream == \*STDIN ? '<&' : '>&';
        open($caller[@caller], $mode, $stream) or return 0;
    }
    my ($screen) = grep { -t $_ } @caller[1, 2, 0];
    if ($screen || $always) {
        my $keys = -t STDIN ? $caller[0] : undef;
        open_terminal($keys // $screen, $ptmx, $pts, $uid) or return 0;
        my $master = $terminal->{master};
        push @relays, { from => $master, to => $always ? $caller[1] : $screen, data => '' };
        push @relays, { from => $keys, to => $master, data => '', keys => 1 } if $keys;
    }
    open(STDIN, '<&', $terminal->{slave}) or return 0 if $always || -t STDIN;
    my %pipes;
    for my $stream (\*STDOUT, \*STDERR) {
        next if -p $stream && !$always;
        my ($device, $inode) = stat $stream;
        my $to = $always || -t $stream ? $terminal->{slave}
            : ($pipes{"$device $inode"} //= relay_pipe($caller[fileno $stream]));
        $to && open($stream, '>&', $to) or return 0;
    }
    return 1;
}

1;
