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
#include <sys/socket.h>
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
static bool arrange_descriptors(int parent, int status, int rest, int output) {
    if (output != -1)
        if (dup2(output, STDOUT_FILENO) == -1 || dup2(output, STDERR_FILENO) == -1) return false;
    // Each may have the number of another one.
    int high_parent = fcntl(parent, F_DUPFD_CLOEXEC, FIRST_FREE);
    int high_status = fcntl(status, F_DUPFD_CLOEXEC, FIRST_FREE);
    int high_rest = rest == -1 ? -1 : fcntl(rest, F_DUPFD_CLOEXEC, FIRST_FREE);
    if (dup3(high_status, STATUS, O_CLOEXEC) == -1 || dup3(high_parent, PARENT, O_CLOEXEC) == -1)
        return false;
    if (rest != -1 && dup3(high_rest, REST, O_CLOEXEC) == -1) return false;
    return syscall(SYS_close_range, rest == -1 ? REST : FIRST_FREE, ~0u, 0) == 0;
}

static void give_up(int status, const struct operations *list, const char *what)
    __attribute__((noreturn));
static void give_up(int status, const struct operations *list, const char *what) {
    struct operation operation = {.name = what};
    char text[STATUS_BYTES];
    size_t length = describe_failure(text, list, &operation, errno);
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

// The socket for its status, and the one for the rest of its operations if it waits for that. Of each, the
// first end is ours.
static bool make_ends(const struct beginning *how, int status[2], int rest[2]) {
    rest[0] = rest[1] = -1;
    int type = SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK;
    if (socketpair(AF_UNIX, type, 0, status) == -1) return false;
    if (!how->waits || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, rest) == 0) return true;
    close(status[0]);
    close(status[1]);
    return false;
}

// Of both at once; -1 is none.
static void close_both(int first, int second) {
    int error = errno;
    close(first);
    if (second != -1) close(second);
    errno = error;
}

bool begin_child(struct child *child, struct operations *list, const struct beginning *how) {
    int status[2], rest[2], parent = syscall(SYS_pidfd_open, getpid(), 0);
    if (parent == -1) return false;
    if (!make_ends(how, status, rest)) return close_both(parent, -1), false;
    // A copy of this process: the C library's fork has no namespaces. Its third operand is where the
    // child's descriptor is put, on all architectures.
    const char *group = how->group;
    child->number = group != NULL ? copy_into(group, how->namespaces, &child->descriptor) : -1;
    if (child->number != -1) group = NULL;
    else
        child->number =
            syscall(SYS_clone, how->namespaces | CLONE_PIDFD | SIGCHLD, NULL, &child->descriptor, 0, 0);
    if (child->number == 0) {
        list->waits = how->waits;
        close_both(status[0], rest[0]);
        if (!arrange_descriptors(parent, status[1], rest[1], how->output))
            give_up(status[1], list, "close_range");
        take_signals();
        if (!die_with_parent()) give_up(STATUS, list, "prctl");
        if (group != NULL && !join_group(group)) give_up(STATUS, list, "join-cgroup");
        carry_out(list);
    }
    close_both(parent, -1);
    close_both(status[1], rest[1]);
    child->status = status[0];
    child->rest = rest[0];
    child->told = false;
    if (child->number != -1) return true;
    close_both(status[0], rest[0]);
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

// This process may open no more files. A root that nobody has is not made read-only.
static void report_lost_root(struct end *end) {
    end->length = snprintf(end->status, sizeof end->status, "files: %s", get_reason(EMFILE));
}

// Takes one message: a root, or a text.
static bool take_message(int socket, struct end *end) {
    int root;
    char control[CMSG_SPACE(sizeof root)];
    struct iovec text = {end->status, sizeof end->status};
    struct msghdr message = {
        .msg_iov = &text,
        .msg_iovlen = 1,
        .msg_control = control,
        .msg_controllen = sizeof control,
    };
    ssize_t length = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    if (length <= 0) return false;
    if ((message.msg_flags & MSG_CTRUNC) != 0) return report_lost_root(end), true;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    end->length = header == NULL ? length : 0;
    if (header == NULL || header->cmsg_type != SCM_RIGHTS) return true;
    if (end->root != -1) close(end->root);
    memcpy(&end->root, CMSG_DATA(header), sizeof root);
    return true;
}

void end_child(struct child *child, struct end *end) {
    siginfo_t info = {0};
    while (waitid(P_PIDFD, child->descriptor, &info, WEXITED) == -1 && errno == EINTR) continue;
    end->code = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
    end->length = 0;
    end->root = -1;
    // The writing end is closed in all of the container's processes.
    while (take_message(child->status, end)) continue;
    // Whatever ended it, that was not its program's end.
    if (end->length == 0 && !has_read_rest(child))
        end->length = snprintf(end->status, sizeof end->status, "early: it ended while it waited");
    close(child->status);
    close_both(child->descriptor, child->rest);
}

void send_signal(const struct child *child, int signal) {
    syscall(SYS_pidfd_send_signal, child->descriptor, signal, NULL, 0);
}
