// Starts a program for whom system calls are not there: deny ERRNO NUMBER[=FLAGS]... -- PROGRAM [ARGUMENT...]
// With FLAGS, only where the fourth argument is that.
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define MOST 64

int main(int count, char **words) {
    struct sock_filter filter[4 * MOST];
    unsigned length = 0;
    int answer = atoi(words[1]), at = 2;
    for (; at < count && strcmp(words[at], "--") != 0; at++) {
        char *flags = strchr(words[at], '=');
        unsigned skipped = flags ? 3 : 1;
        filter[length++] = (struct sock_filter)BPF_STMT(
            BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
        filter[length++] = (struct sock_filter)BPF_JUMP(
            BPF_JMP | BPF_JEQ | BPF_K, (unsigned)atoi(words[at]), 0, skipped);
        if (flags) {
            filter[length++] = (struct sock_filter)BPF_STMT(
                BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[3]));
            filter[length++] = (struct sock_filter)BPF_JUMP(
                BPF_JMP | BPF_JEQ | BPF_K, (unsigned)atoi(flags + 1), 0, 1);
        }
        filter[length++] = (struct sock_filter)BPF_STMT(
            BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)answer);
    }
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {.len = (unsigned short)length, .filter = filter};
    // Without no_new_privs, for root: a program with set-user-id bits is what it always is.
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        perror("seccomp");
        return 1;
    }
    execvp(words[at + 1], words + at + 1);
    perror(words[at + 1]);
    return 1;
}
