/* System calls in the conventions of x86 and x32, which a 64-bit program may use as well as its own. */
#include <stdio.h>
#include <unistd.h>

static long x86(long number, long first) {
    long result;
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

int main(void) {
    const long x32 = 0x40000000, user_namespace = 0x10000000;
    printf("x86 getpid %s\n", x86(20, 0) == getpid() ? "works" : "fails");
    printf("x86 keyctl %ld\n", x86(288, 9999));
    printf("x86 unshare %ld\n", x86(310, user_namespace));
    printf("x86 mount %ld\n", x86(21, 0));
    printf("x86 clone3 %ld\n", x86(435, 0));
    printf("x32 keyctl %ld\n", x64(x32 + 250, 9999));
    printf("x32 unshare %ld\n", x64(x32 + 272, user_namespace));
    printf("x64 unshare %ld\n", x64(272, user_namespace));
    return 0;
}
