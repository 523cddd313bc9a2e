// `wiac-sys run`: a program that has the streams of wiac's caller.
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "itself.h"
#include "message.h"
#include "operations.h"
#include "process.h"
#include "relay.h"
#include "supervise.h"
#include "terminal.h"

// Standard input becomes no way to write to the file that it comes from. In a user namespace this is
// refused, and there the file is the user's own.
static void protect_input(void) {
    struct stat input;
    if (fstat(STDIN_FILENO, &input) == -1 || isatty(STDIN_FILENO)) return;
    if (S_ISFIFO(input.st_mode) || S_ISSOCK(input.st_mode)) return;
    off_t offset = lseek(STDIN_FILENO, 0, SEEK_CUR);
    int tree = clone_tree(STDIN_FILENO, "", AT_EMPTY_PATH, MOUNT_ATTR_RDONLY);
    if (tree == -1) return;
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", tree);
    int reading = open(path, O_RDONLY | O_CLOEXEC);
    close(tree);
    if (reading == -1) return;
    if (offset > 0) lseek(reading, offset, SEEK_SET);
    dup2(reading, STDIN_FILENO);
    close(reading);
}

static struct child program;

// wiac has ended, or tells us to. SIGKILL would leave a setuid program running, which does not die
// with us, and a terminal as the program had it.
static void on_order_to_end(int number) {
    (void)number;
    int error = errno;
    restore_terminal();
    kill(program.number, SIGKILL);
    errno = error;
}

static void on_size_change(int number) {
    (void)number;
    int error = errno;
    copy_window_size();
    errno = error;
}

static void catch_signals(pid_t parent) {
    struct sigaction end = {.sa_handler = on_order_to_end}, size = {.sa_handler = on_size_change};
    sigaction(SIGIO, &end, NULL);
    prctl(PR_SET_PDEATHSIG, SIGIO, 0, 0, 0);
    if (getppid() != parent) raise(SIGIO);
    pass_signals_to(program.number);
    if (!is_relaying()) return;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTTOU, SIG_IGN);
    if (has_terminal()) sigaction(SIGWINCH, &size, NULL);
}

static bool perform_here(const struct operation *operation) {
    if (strcmp(operation->name, "relay-streams") == 0 && operation->count == 4)
        return relay_streams(operation->operands);
    return perform(operation);
}

// Carries out what is to be done before there is a container, and begins it.
// status: becomes why that is not possible; returns its length.
static size_t begin(struct operations *list, char status[STATUS_BYTES]) {
    struct operation operation;
    while (next_operation(list, &operation)) {
        bool is_clone = strcmp(operation.name, "clone") == 0 && operation.count >= 1;
        struct beginning how = {.group = get_operand(&operation, 1), .output = -1};
        if (is_clone) how.namespaces = number(operation.operands[0]);
        bool done = is_clone ? begin_child(&program, list, &how) : perform_here(&operation);
        if (!done) return describe_failure(status, list, &operation, errno);
        if (is_clone) return 0;
    }
    return snprintf(status, STATUS_BYTES, "setup: the list has no clone");
}

static void tell_end(uint32_t id, uint32_t code, const char *status, size_t length) {
    tell_ended(id, code, status, length, NULL, 0);
    while (send_waiting(SOCKET) && has_waiting()) {
        struct pollfd writable = {.fd = SOCKET, .events = POLLOUT};
        poll(&writable, 1, -1);
    }
}

int run_program(char **argv, pid_t parent) {
    protect_input();
    const char *danger = protect_itself(argv);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() != parent) return 1;
    hold_signals();
    uint32_t id;
    size_t length;
    char *payload = (char *)await_request(SOCKET, ASK_RUN, &id, &length);
    struct operations list;
    if (payload == NULL || !split_operations(payload, length, &list)) return 1;
    char status[STATUS_BYTES], **fields = list.fields;
    size_t failed = danger != NULL ? (size_t)snprintf(status, STATUS_BYTES, "%s", danger)
                                   : begin(&list, status);
    free(fields);
    if (failed > 0) {
        tell_end(id, 125, status, failed);
        return 0;
    }
    catch_signals(parent);
    relay(program.descriptor);
    struct end end;
    end_child(&program, &end);
    restore_terminal();
    if (lost_output() != 0) {
        end.code = 125;
        end.length = snprintf(end.status, STATUS_BYTES, "output: %s", get_reason(lost_output()));
    }
    tell_end(id, end.code, end.status, end.length);
    return 0;
}
