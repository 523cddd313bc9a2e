/* System calls in the conventions of x86 and x32, which a 64-bit program may use as well as its own. */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static sigjmp_buf before_call;

static void return_before_call(int signal) { siglongjmp(before_call, signal); }

/* What no system call returns: the machine has none in this convention, and ends who tries. */
#define NOT_THERE 1

static long x86(long number, long first) {
    long result;
    if (sigsetjmp(before_call, 1)) return NOT_THERE;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(first), "c"(0), "d"(0), "S"(0) : "memory");
    return result;
}

static long x64(long number, long first) {
    long result;
    register long fourth __asm__("r10") = 0;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(first), "S"(0), "d"(0), "r"(fourth)
                     : "rcx", "r11", "memory");
    return result;
}

static void say(const char *call, long result) {
    if (result == NOT_THERE)
        printf("%s is not there\n", call);
    else
        printf("%s %ld\n", call, result);
}

int main(void) {
    const long x32 = 0x40000000, user_namespace = 0x10000000;
    signal(SIGSEGV, return_before_call);
    printf("x86 getpid %s\n", x86(20, 0) == getpid() ? "works" : "fails");
    say("x86 keyctl", x86(288, 9999));
    say("x86 unshare", x86(310, user_namespace));
    say("x86 mount", x86(21, 0));
    say("x86 clone3", x86(435, 0));
    say("x32 keyctl", x64(x32 + 250, 9999));
    say("x32 unshare", x64(x32 + 272, user_namespace));
    say("x64 unshare", x64(272, user_namespace));
    return 0;
}
