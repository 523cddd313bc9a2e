// Operations that take rights away.
#include <errno.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "operations.h"
#include "process.h"

enum { CAPABILITY_WORDS = 2, POSSIBLE_CAPABILITIES = 64, MAX_GROUPS = 1024 };

// Whatever the caller has to hand on to its children.
bool do_drop_inherited(char **operands, size_t count) {
    (void)operands, (void)count;
    // A kernel or a sandbox without keyrings has none to read either.
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) == -1 && errno != ENOSYS &&
        errno != EPERM)
        return false;
    // Some bits can be locked, and then we are as restricted as our caller.
    prctl(PR_SET_SECUREBITS, 0, 0, 0, 0);
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[CAPABILITY_WORDS];
    if (syscall(SYS_capget, &header, sets) == -1) return false;
    for (int word = 0; word < CAPABILITY_WORDS; word++) sets[word].inheritable = 0;
    return syscall(SYS_capset, &header, sets) == 0 &&
           prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0;
}

// Everything not listed leaves the bounding set; EINVAL marks the kernel's last capability.
bool do_capabilities(char **operands, size_t count) {
    bool keep[POSSIBLE_CAPABILITIES] = {false};
    for (size_t index = 0; index < count; index++) {
        unsigned long long capability = number(operands[index]);
        if (capability < POSSIBLE_CAPABILITIES) keep[capability] = true;
    }
    for (int capability = 0; capability < POSSIBLE_CAPABILITIES; capability++)
        if (!keep[capability] && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == -1)
            return errno == EINVAL;
    return true;
}

bool do_no_new_privileges(char **operands, size_t count) {
    (void)operands, (void)count;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

static struct sock_filter filter[BPF_MAXINSNS];
static size_t filter_length;

// A struct sock_filter[] in hexadecimal digits.
bool do_seccomp_filter(char **operands, size_t count) {
    (void)count;
    size_t bytes = decode_hex(operands[0]);
    if (bytes > sizeof filter) return errno = EINVAL, false;
    memcpy(filter, operands[0], bytes);
    filter_length = bytes / sizeof *filter;
    return true;
}

// While we have a capability for it: else no program in there could be setuid.
bool do_seccomp(char **operands, size_t count) {
    (void)operands, (void)count;
    struct sock_fprog program = {.len = filter_length, .filter = filter};
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

// UID GID GROUP ..., or UID GID keep, where nobody may change the groups. By the system calls
// themselves: those of the C library tell all threads of the process, and a copy of a process has none
// of those that it believes in.
bool do_user(char **operands, size_t count) {
    uid_t uid = number(operands[0]);
    gid_t gid = number(operands[1]), groups[MAX_GROUPS];
    if (count - 2 > MAX_GROUPS) return errno = EINVAL, false;
    bool keep = count == 3 && strcmp(operands[2], "keep") == 0;
    for (size_t index = 2; index < count; index++) groups[index - 2] = number(operands[index]);
    return (keep || syscall(SYS_setgroups, count - 2, groups) == 0) &&
           syscall(SYS_setresgid, gid, gid, gid) == 0 &&
           syscall(SYS_setresuid, uid, uid, uid) == 0 &&
           // Whoever changes its user loses it.
           die_with_parent();
}
