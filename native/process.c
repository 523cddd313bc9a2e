#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "message.h"
#include "supervise.h"

// The numbers of processes in a pid namespace say nothing about a parent outside of it: what does is
// a descriptor that can be read when it has ended.
static bool has_parent(void) {
    struct pollfd parent = {.fd = PARENT, .events = POLLIN};
    return poll(&parent, 1, 0) == 0;
}

bool die_with_parent(void) {
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == -1) return false;
    errno = ESRCH;
    // One without that descriptor has its parent in its own namespace, and ends with that.
    return fcntl(PARENT, F_GETFD) == -1 || has_parent();
}

bool make_output_pipe(int ends[2]) {
    return pipe2(ends, O_CLOEXEC) == 0 && fchmod(ends[1], 0666) == 0;
}

// In the child: descriptors with the numbers of operations.h, and no others.
static bool arrange_descriptors(int parent, int status, int output) {
    if (output != -1)
        if (dup2(output, STDOUT_FILENO) == -1 || dup2(output, STDERR_FILENO) == -1) return false;
    // Both may have the number of the other.
    int high_parent = fcntl(parent, F_DUPFD_CLOEXEC, FIRST_FREE);
    int high_status = fcntl(status, F_DUPFD_CLOEXEC, FIRST_FREE);
    return dup3(high_status, STATUS, O_CLOEXEC) != -1 && dup3(high_parent, PARENT, O_CLOEXEC) != -1 &&
           syscall(SYS_close_range, FIRST_FREE, ~0u, 0) == 0;
}

static void give_up(int status, const char *what) __attribute__((noreturn));
static void give_up(int status, const char *what) {
    struct operation operation = {.name = what};
    char text[STATUS_BYTES];
    size_t length = describe_failure(text, &operation, errno);
    if (write(status, text, length) == -1) _exit(125);
    _exit(125);
}

// A copy of this process in a control group. Errors: those of clone3(2), which sandboxes may not have.
static pid_t copy_into(const char *group, unsigned long namespaces, int *descriptor) {
    int directory = open(group, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory == -1) return -1;
    struct clone_args how = {
        .flags = namespaces | CLONE_PIDFD | CLONE_INTO_CGROUP,
        .pidfd = (uintptr_t)descriptor,
        .exit_signal = SIGCHLD,
        .cgroup = directory,
    };
    pid_t copy = syscall(SYS_clone3, &how, sizeof how);
    int error = errno;
    if (copy != 0) close(directory);
    errno = error;
    return copy;
}

// The slower way: the kernel waits until no process forks.
static bool join_group(const char *group) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/cgroup.procs", group) >= (int)sizeof path)
        return errno = ENAMETOOLONG, false;
    char *operand = path;
    return do_join_cgroup(&operand, 1);
}

bool begin_child(struct child *child, struct operations *list, unsigned long namespaces,
                 const char *group, int output) {
    int ends[2], parent = syscall(SYS_pidfd_open, getpid(), 0);
    if (parent == -1) return false;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) == -1) return close(parent), false;
    // A copy of this process: the C library's fork has no namespaces. Its third operand is where the
    // child's descriptor is put, on all architectures.
    child->number = group != NULL ? copy_into(group, namespaces, &child->descriptor) : -1;
    if (child->number != -1) group = NULL;
    else
        child->number =
            syscall(SYS_clone, namespaces | CLONE_PIDFD | SIGCHLD, NULL, &child->descriptor, 0, 0);
    int error = errno;
    if (child->number == 0) {
        close(ends[0]);
        if (!arrange_descriptors(parent, ends[1], output)) give_up(ends[1], "close_range");
        take_signals();
        if (!die_with_parent()) give_up(STATUS, "prctl");
        if (group != NULL && !join_group(group)) give_up(STATUS, "join-cgroup");
        carry_out(list);
    }
    close(parent);
    close(ends[1]);
    child->status = ends[0];
    if (child->number != -1) return true;
    close(ends[0]);
    errno = error;
    return false;
}

void tell_ended(uint32_t id, uint32_t code, const char *status, size_t length, const void *survey,
                size_t surveyed) {
    size_t size = sizeof code + length + 1 + surveyed;
    uint8_t *payload = prepare_payload(size);
    memcpy(payload, &code, sizeof code);
    memcpy(payload + sizeof code, status, length);
    payload[sizeof code + length] = '\0';
    if (surveyed > 0) memcpy(payload + sizeof code + length + 1, survey, surveyed);
    tell_prepared(id, TELL_ENDED, size);
}

size_t end_child(struct child *child, char *status, size_t room, uint32_t *code) {
    siginfo_t info = {0};
    while (waitid(P_PIDFD, child->descriptor, &info, WEXITED) == -1 && errno == EINTR) continue;
    *code = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
    // The writing end is closed in all of the container's processes.
    ssize_t length = read(child->status, status, room);
    close(child->status);
    close(child->descriptor);
    return length > 0 ? length : 0;
}

void send_signal(const struct child *child, int signal) {
    syscall(SYS_pidfd_send_signal, child->descriptor, signal, NULL, 0);
}
