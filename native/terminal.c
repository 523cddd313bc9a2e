#include "terminal.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

static int caller_end = -1, own_end = -1;
static struct termios before;
static volatile sig_atomic_t is_raw, is_restored;

bool has_terminal(void) { return own_end != -1; }

bool copy_window_size(void) {
    struct winsize size;
    if (caller_end == -1) return true;
    return ioctl(caller_end, TIOCGWINSZ, &size) == 0 && ioctl(own_end, TIOCSWINSZ, &size) == 0;
}

static bool take_settings_over(int slave) {
    if (tcgetattr(caller_end, &before) == -1) return false;
    struct termios settings = before;
    // Without its keyboard the caller's terminal stays as it is, and ends lines itself.
    if (!isatty(STDIN_FILENO)) settings.c_oflag &= ~OPOST;
    return tcsetattr(slave, TCSADRAIN, &settings) == 0 && copy_window_size();
}

int open_terminal(int caller, const char *ptmx, const char *pts, uid_t uid, int *slave) {
    int master = open(ptmx, O_RDWR | O_NOCTTY | O_CLOEXEC), unlocked = 0;
    unsigned terminal;
    if (master == -1) return -1;
    if (ioctl(master, TIOCSPTLCK, &unlocked) == -1 || ioctl(master, TIOCGPTN, &terminal) == -1)
        return -1;
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%u", pts, terminal);
    *slave = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (*slave == -1) return -1;
    // So that its user can open it by name; not all may give theirs away, and it is open already.
    int ignored = fchown(*slave, uid, -1);
    (void)ignored;
    if (fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK) == -1) return -1;
    own_end = master;
    caller_end = caller;
    return caller == -1 || take_settings_over(*slave) ? master : -1;
}

// Job control: the kernel stops a background process that reads or sets the terminal.
static bool is_in_foreground(void) {
    pid_t group;
    return ioctl(caller_end, TIOCGPGRP, &group) == -1 || group == getpgrp();
}

bool listen_to_keys(void) {
    if (!is_in_foreground()) return false;
    if (is_raw) return true;
    is_raw = 1;
    struct termios raw = before;
    cfmakeraw(&raw);
    return tcsetattr(caller_end, TCSADRAIN, &raw) == 0;
}

void restore_terminal(void) {
    if (!is_raw || is_restored) return;
    is_restored = 1;
    tcsetattr(caller_end, TCSADRAIN, &before);
}
