// Devices, extended attributes and times of many files, in the order in which they are asked for.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "beneath.h"
#include "files.h"

static bool take_numbers(struct request *request, uint32_t *numbers, size_t count) {
    for (size_t index = 0; index < count; index++)
        if (!take_number(request, &numbers[index])) return false;
    return true;
}

enum outcome { DONE, FAILED, MALFORMED };

static enum outcome get_outcome(bool done) { return done ? DONE : FAILED; }

// Mode with the type, device number, owner, group.
static enum outcome make_node(struct request *request, const char *name) {
    uint32_t numbers[4];
    if (!take_numbers(request, numbers, 4)) return MALFORMED;
    mode_t mode = numbers[0];
    // The umask takes bits away, and chown takes setuid away.
    return get_outcome(mknod(name, mode, numbers[1]) == 0 &&
                       lchown(name, numbers[2], numbers[3]) == 0 && chmod(name, mode & 07777) == 0);
}

// Name, value.
static enum outcome set_xattr(struct request *request, const char *name) {
    const char *attribute;
    const uint8_t *value;
    uint32_t length;
    if (!take_text(request, &attribute) || !take_bytes(request, &value, &length)) return MALFORMED;
    return get_outcome(lsetxattr(name, attribute, value, length, 0) == 0);
}

// Seconds in two numbers, the lower one first; nanoseconds.
static enum outcome set_time(struct request *request, const char *name) {
    uint32_t numbers[3];
    if (!take_numbers(request, numbers, 3)) return MALFORMED;
    int64_t seconds = (int64_t)(numbers[0] | (uint64_t)numbers[1] << 32);
    struct timespec times[] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = seconds, .tv_nsec = numbers[2]}};
    return get_outcome(utimensat(AT_FDCWD, name, times, AT_SYMLINK_NOFOLLOW) == 0);
}

static const struct {
    const char *name;
    enum outcome (*carry_out)(struct request *request, const char *name);
} CALLS[] = {{"mknod", make_node}, {"setxattr", set_xattr}, {"utime", set_time}};

enum { CALL_KINDS = sizeof CALLS / sizeof *CALLS };

// Root, then for each call: which (number in CALLS), path, operands. The first that fails ends it.
static void set_below(int root, struct request *request, struct answer *answer) {
    struct place place = {.root = root};
    while (!is_empty(request)) {
        uint32_t call;
        const char *path;
        if (!take_number(request, &call) || call >= CALL_KINDS || !take_text(request, &path))
            return tell_malformed(answer);
        const char *name = enter_next(&place, path);
        enum outcome outcome = name == NULL ? FAILED : CALLS[call].carry_out(request, name);
        if (outcome == FAILED) return tell_failed(answer, CALLS[call].name, path, errno);
        if (outcome == MALFORMED) return tell_malformed(answer);
    }
    tell_done(answer);
}

void set_attributes(struct request *request, struct answer *answer) {
    const char *path;
    if (!take_text(request, &path)) return tell_malformed(answer);
    int root = open_root(path);
    if (root == -1) return tell_failed(answer, "open", path, errno);
    set_below(root, request, answer);
    close(root);
}
