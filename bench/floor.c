// The least that a step of a build can cost: for each step an overlay is mounted in namespaces of its
// own, a program is started in it and waited for, and all is unmounted.
// Usage: floor LOWERDIR WORKDIR STEPS PROGRAM ARGUMENT...
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void check(int result, const char *what) {
    if (result != -1) return;
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static void step(const char *lower, const char *directory, int number, char **argv) {
    char upper[4096], work[4096], options[12400];
    snprintf(upper, sizeof upper, "%s/upper%d", directory, number);
    snprintf(work, sizeof work, "%s/work%d", directory, number);
    check(mkdir(upper, 0755), upper);
    check(mkdir(work, 0755), work);
    snprintf(options, sizeof options, "lowerdir=%s,upperdir=%s,workdir=%s,volatile", lower, upper, work);
    const long flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | SIGCHLD;
    const pid_t child = (pid_t)syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);
    check(child, "clone");
    if (child == 0) {
        check(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "private");
        check(mount("overlay", directory, "overlay", 0, options), "overlay");
        check(chdir(directory), directory);
        check((int)syscall(SYS_pivot_root, ".", "."), "pivot_root");
        check(umount2(".", MNT_DETACH), "umount");
        execv(argv[0], argv);
        check(-1, argv[0]);
    }
    int status;
    check(waitpid(child, &status, 0), "wait");
    if (status != 0) exit(1);
}

int main(int argc, char **argv) {
    if (argc < 5) return 2;
    for (int number = 0; number < atoi(argv[3]); number++) step(argv[1], argv[2], number, argv + 4);
    return 0;
}
