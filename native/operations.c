#include "operations.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

size_t count_fields(const char *payload, size_t length) {
    if (length == 0 || payload[length - 1] != '\0') return 0;
    size_t count = 0;
    for (size_t at = 0; at < length; at++) count += payload[at] == '\0';
    return count;
}

void fill_fields(char *payload, size_t count, char **fields) {
    for (size_t index = 0; index < count; index++) {
        fields[index] = payload;
        payload += strlen(payload) + 1;
    }
}

bool split_operations(char *payload, size_t length, struct operations *list) {
    list->count = count_fields(payload, length);
    if (list->count == 0) return false;
    // One more: the arguments of a program end with NULL.
    list->fields = calloc(list->count + 1, sizeof *list->fields);
    if (list->fields == NULL) return false;
    fill_fields(payload, list->count, list->fields);
    list->waits = false;
    return true;
}

bool next_operation(struct operations *list, struct operation *operation) {
    if (list->count < 2) return false;
    char *end;
    errno = 0;
    unsigned long count = strtoul(list->fields[1], &end, 10);
    if (errno != 0 || *end != '\0' || count > list->count - 2) return false;
    *operation = (struct operation){list->fields[0], list->fields + 2, count};
    list->fields += 2 + count;
    list->count -= 2 + count;
    return true;
}

const char *get_operand(const struct operation *operation, size_t index) {
    if (index >= operation->count || operation->operands[index][0] == '\0') return NULL;
    return operation->operands[index];
}

unsigned long long number(const char *text) { return strtoull(text, NULL, 10); }

size_t decode_hex(char *text) {
    static const char digits[] = "0123456789abcdef";
    size_t length = 0;
    for (const char *at = text; at[0] != '\0' && at[1] != '\0'; at += 2) {
        const char *high = strchr(digits, at[0]), *low = strchr(digits, at[1]);
        if (high == NULL || low == NULL) break;
        text[length++] = (char)((high - digits) << 4 | (low - digits));
    }
    return length;
}

const char *get_reason(int error) {
    const char *text = strerrordesc_np(error);
    return text != NULL ? text : "unknown error";
}

enum { REASON_BYTES = 128 };

// Adds text, and leaves room for a reason.
static void add_text(char text[STATUS_BYTES], size_t *length, const char *before, const char *word) {
    size_t room = STATUS_BYTES - REASON_BYTES - *length;
    size_t added = snprintf(text + *length, room, "%s%s", before, word);
    *length += added < room ? added : room - 1;
}

static size_t add_reason(char text[STATUS_BYTES], size_t length, int error) {
    return length + snprintf(text + length, REASON_BYTES, ": %s", get_reason(error));
}

static const char *culprit;

void blame(const char *path) { culprit = path; }

// Only the names of what failed: env and write hold secrets, which never belong in a message.
size_t describe_failure(char text[STATUS_BYTES], const struct operations *list,
                        const struct operation *operation, int error) {
    size_t length = 0;
    add_text(text, &length, list->waits ? "early: " : "setup: ", operation->name);
    bool is_secret = strcmp(operation->name, "env") == 0 || strcmp(operation->name, "write") == 0;
    if (culprit != NULL) add_text(text, &length, " ", culprit);
    for (size_t index = 0; index < operation->count && !is_secret && culprit == NULL; index++)
        add_text(text, &length, " ", operation->operands[index]);
    return add_reason(text, length, error);
}

// Says why the program did not begin, and ends this process.
static void fail(const char *text, size_t length, int code) __attribute__((noreturn));
static void fail(const char *text, size_t length, int code) {
    if (write(STATUS, text, length) == -1) _exit(code);
    _exit(code);
}

static bool do_unshare(char **operands, size_t count) {
    (void)count;
    return unshare((int)number(operands[0])) == 0;
}

// A session of its own, with the terminal that is among its streams, if there is one: that is never
// the caller's.
static bool do_session(char **operands, size_t count) {
    (void)operands, (void)count;
    if (setsid() == -1) return false;
    for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; stream++)
        if (isatty(stream)) return ioctl(stream, TIOCSCTTY, 0) == 0;
    return true;
}

bool do_join_cgroup(char **operands, size_t count) {
    (void)count;
    int members = open(operands[0], O_WRONLY | O_CLOEXEC);
    if (members == -1) return false;
    bool done = write(members, "0", 1) == 1;
    close(members);
    return done;
}

static bool do_join_network(char **operands, size_t count) {
    (void)count;
    int network = open(operands[0], O_RDONLY | O_CLOEXEC);
    if (network == -1) return false;
    bool done = setns(network, CLONE_NEWNET) == 0;
    close(network);
    return done;
}

static bool do_null_input(char **operands, size_t count) {
    (void)operands, (void)count;
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null == -1) return false;
    bool done = dup2(null, STDIN_FILENO) != -1;
    close(null);
    return done;
}

// A new network namespace has its loopback device down.
static bool do_loopback_up(char **operands, size_t count) {
    (void)operands, (void)count;
    int device = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (device == -1) return false;
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    bool done = ioctl(device, SIOCSIFFLAGS, &request) == 0;
    close(device);
    return done;
}

static bool do_umask(char **operands, size_t count) {
    (void)count;
    umask(strtoul(operands[0], NULL, 8));
    return true;
}

static bool do_hostname(char **operands, size_t count) {
    (void)count;
    return sethostname(operands[0], strlen(operands[0])) == 0;
}

static bool do_rlimit(char **operands, size_t count) {
    (void)count;
    struct rlimit limit = {number(operands[1]), number(operands[2])};
    return setrlimit((int)number(operands[0]), &limit) == 0;
}

// CPU...: this process and those it starts run on these alone.
static bool do_cpus(char **operands, size_t count) {
    cpu_set_t chosen;
    CPU_ZERO(&chosen);
    for (size_t index = 0; index < count; index++) CPU_SET(number(operands[index]), &chosen);
    return sched_setaffinity(0, sizeof chosen, &chosen) == 0;
}

// The next process of this pid namespace gets the number behind this one. Where /proc may not be written
// to, numbers stay as they are: no program depends on them.
static bool do_last_pid(char **operands, size_t count) {
    (void)count;
    int last = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
    if (last == -1) return true;
    ssize_t written = write(last, operands[0], strlen(operands[0]));
    (void)written;
    return close(last) == 0;
}

static bool do_env(char **operands, size_t count) {
    // Name and value lie behind each other: what ends the name begins the value.
    for (size_t index = 0; index + 1 < count; index += 2) {
        operands[index + 1][-1] = '=';
        operands[index / 2] = operands[index];
    }
    // At least the number of operands is in front of the next field, which stays as it is.
    static char *none[] = {NULL};
    environ = count >= 2 ? operands : none;
    if (count >= 2) operands[count / 2] = NULL;
    return true;
}

// Ends this process: what it was to mount is mounted.
static bool do_end(char **operands, size_t count) {
    (void)operands, (void)count;
    _exit(0);
}

static bool do_exec(char **operands, size_t count) {
    operands[count] = NULL;
    execvp(operands[0], operands);
    int error = errno;
    char text[STATUS_BYTES];
    size_t length = 0;
    add_text(text, &length, "exec: ", operands[0]);
    fail(text, add_reason(text, length, error), error == ENOENT ? 127 : 126);
}

// With the fewest operands that each has.
static const struct {
    const char *name;
    size_t operands;
    action *act;
} ACTIONS[] = {
    {"bind-in", 4, do_bind_in},
    {"capabilities", 0, do_capabilities},
    {"chdir", 1, do_chdir},
    {"chdir-in", 2, do_chdir_in},
    {"chroot", 1, do_chroot},
    {"cpus", 1, do_cpus},
    {"device", 9, do_device},
    {"device-filter", 2, do_device_filter},
    {"drop-inherited", 0, do_drop_inherited},
    {"end", 0, do_end},
    {"env", 0, do_env},
    {"exec", 1, do_exec},
    {"fork", 0, do_fork},
    {"hand-over", 1, do_hand_over},
    {"hostname", 1, do_hostname},
    {"join-cgroup", 1, do_join_cgroup},
    {"join-network", 1, do_join_network},
    {"last-pid", 1, do_last_pid},
    {"loopback-up", 0, do_loopback_up},
    {"make-path", 1, do_make_path},
    {"mask", 2, do_mask},
    {"mkdir", 2, do_mkdir},
    {"mount", 5, do_mount},
    {"mount-in", 6, do_mount_in},
    {"mount-point", 4, do_mount_point},
    {"move-in", 3, do_move_in},
    {"names", 1, do_names},
    {"no-new-privileges", 0, do_no_new_privileges},
    {"null-input", 0, do_null_input},
    {"overlay", 6, do_overlay},
    {"pivot", 1, do_pivot},
    {"read-only", 2, do_read_only},
    {"restrict", 2, do_restrict},
    {"rlimit", 3, do_rlimit},
    {"seccomp", 0, do_seccomp},
    {"seccomp-filter", 1, do_seccomp_filter},
    {"session", 0, do_session},
    {"symlink", 2, do_symlink},
    {"sysfs-in", 3, do_sysfs_in},
    {"umask", 1, do_umask},
    {"unshare", 1, do_unshare},
    {"user", 2, do_user},
    {"workdir", 2, do_workdir},
    {"write", 5, do_write},
};

bool perform(const struct operation *operation) {
    culprit = NULL;
    for (size_t index = 0; index < sizeof ACTIONS / sizeof *ACTIONS; index++) {
        if (strcmp(ACTIONS[index].name, operation->name) != 0) continue;
        if (operation->count < ACTIONS[index].operands) break;
        return ACTIONS[index].act(operation->operands, operation->count);
    }
    errno = EINVAL;
    return false;
}

void carry_out(struct operations *list) {
    char text[STATUS_BYTES];
    struct operation operation;
    while (next_operation(list, &operation)) {
        bool waits = strcmp(operation.name, "await") == 0;
        if (waits ? await_rest(list) : perform(&operation)) continue;
        fail(text, describe_failure(text, list, &operation, errno), 125);
    }
    static const char none[] = "setup: the program has no exec";
    fail(none, sizeof none - 1, 125);
}
