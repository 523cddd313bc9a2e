#include "calls.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
    const char *name;
    long number;
} CALLS[] = {
    {"openat2", SYS_openat2},
    {"open_tree", SYS_open_tree},
    {"move_mount", SYS_move_mount},
    {"mount_setattr", SYS_mount_setattr},
    {"fspick", SYS_fspick},
    {"fsconfig", SYS_fsconfig},
    {"pidfd_open", SYS_pidfd_open},
    {"close_range", SYS_close_range},
};

// With these arguments each of them fails, and does nothing: with ENOSYS where it is not there.
static bool is_there(long number) {
    return syscall(number, -1, NULL, -1, NULL, -1) != -1 || errno != ENOSYS;
}

int print_missing_calls(void) {
    for (size_t at = 0; at < sizeof CALLS / sizeof *CALLS; at++)
        if (!is_there(CALLS[at].number)) puts(CALLS[at].name);
    return 0;
}
