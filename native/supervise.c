#include "supervise.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "operations.h"
#include "process.h"

static const int PASSED_ON[] = {SIGINT,  SIGTERM, SIGHUP,   SIGQUIT,
                                SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT};
enum { PASSED_ON_COUNT = sizeof PASSED_ON / sizeof *PASSED_ON };

static volatile pid_t receiver;

static void mask_signals(int how) {
    sigset_t signals;
    sigemptyset(&signals);
    for (int index = 0; index < PASSED_ON_COUNT; index++) sigaddset(&signals, PASSED_ON[index]);
    sigprocmask(how, &signals, NULL);
}

void hold_signals(void) { mask_signals(SIG_BLOCK); }

void take_signals(void) { mask_signals(SIG_UNBLOCK); }

static void pass_on(int signal) {
    int error = errno;
    kill(receiver, signal);
    errno = error;
}

void pass_signals_to(pid_t child) {
    receiver = child;
    struct sigaction action = {.sa_handler = pass_on};
    for (int index = 0; index < PASSED_ON_COUNT; index++) sigaction(PASSED_ON[index], &action, NULL);
    take_signals();
}

// Waits for the program, and ends as it ended. Of a pid namespace's first process all orphans are
// children: they too are waited for.
static void supervise(pid_t child) __attribute__((noreturn));
static void supervise(pid_t child) {
    // With --isolation=chroot the container's programs could reach them in here.
    syscall(SYS_close_range, STDERR_FILENO + 1, ~0u, 0);
    pass_signals_to(child);
    for (;;) {
        int status;
        pid_t found = waitpid(-1, &status, 0);
        if (found == child) _exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
        if (found == -1 && errno != EINTR) _exit(125);
    }
}

// The program gets a process of its own; this one becomes its parent, which waits for it.
bool do_fork(char **operands, size_t count) {
    (void)operands, (void)count;
    hold_signals();
    pid_t child = syscall(SYS_clone, SIGCHLD, NULL, NULL, 0, 0);
    if (child > 0) supervise(child);
    take_signals();
    // Its parent is the namespace's first process, with which all others end.
    return child == 0;
}
