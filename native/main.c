// wiac-sys makes the system calls that Node can't. It decides nothing: wiac says what to do.
//
//   wiac-sys serve        the containers of a build; requests come over descriptor 3
//   wiac-sys run PARENT   one container that has our own streams, for `wiac run`; PARENT is wiac
//   wiac-sys files        what is to be done with files, over descriptor 3
//   wiac-sys once         the same over the standard streams, until there is no more
//   wiac-sys calls        prints which system calls are missing, for `wiac doctor`
//   wiac-sys --version
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "calls.h"
#include "containers.h"
#include "files.h"
#include "itself.h"
#include "loop.h"
#include "message.h"
#include "run.h"

static int serve_build(char **argv) {
    const char *reason = protect_itself(argv);
    if (reason != NULL) refuse_containers(reason);
    // No directory is kept from being unmounted.
    if (chdir("/") == -1) return 1;
    serve(SOCKET);
    kill_containers();
    return 0;
}

// A container that sees this machine's processes must not get at this file by ours. Who may not mount
// it anew may not run containers.
static int serve_wiac(char **argv, int input, int output) {
    protect_itself(argv);
    return serve_files(input, output);
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("wiac-sys " PROTOCOL "\n");
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "calls") == 0) return print_missing_calls();
    // What the caller opened ends here.
    syscall(SYS_close_range, SOCKET + 1, ~0u, 0);
    if (argc >= 2 && fcntl(SOCKET, F_SETFD, 0) != -1) {
        if (strcmp(argv[1], "serve") == 0) return serve_build(argv);
        if (strcmp(argv[1], "run") == 0 && argc >= 3) return run_program(argv, atoi(argv[2]));
        if (strcmp(argv[1], "files") == 0) return serve_wiac(argv, SOCKET, SOCKET);
    }
    if (argc >= 2 && strcmp(argv[1], "once") == 0) return serve_wiac(argv, STDIN_FILENO, STDOUT_FILENO);
    fprintf(stderr, "wiac-sys is started by wiac\n");
    return 2;
}
