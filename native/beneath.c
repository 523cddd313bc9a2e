#include "beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

// The kernel takes 4,096 bytes at once.
enum { AT_ONCE = 4000 };

int open_root(const char *path) {
    if (path[0] == '/') return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    errno = EINVAL;
    return -1;
}

static int open_step(int directory, const char *path, int flags) {
    struct open_how how = {.flags = flags | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    int opened;
    // EAGAIN: something was renamed meanwhile.
    do opened = syscall(SYS_openat2, directory, path, &how, sizeof how);
    while (opened == -1 && (errno == EAGAIN || errno == EINTR));
    return opened;
}

static int open_part(int root, const char *path, size_t length, int flags) {
    int directory = root;
    char step[AT_ONCE + 1];
    while (length > AT_ONCE) {
        const char *slash = memrchr(path, '/', AT_ONCE);
        if (slash == NULL) {
            errno = ENAMETOOLONG;
            slash = path;
        }
        memcpy(step, path, slash - path);
        step[slash - path] = 0;
        int next = slash > path ? open_step(directory, step, O_PATH) : -1;
        int error = errno;
        if (directory != root) close(directory);
        errno = error;
        if (next == -1) return -1;
        directory = next;
        length -= slash - path + 1;
        path = slash + 1;
    }
    memcpy(step, path, length);
    step[length] = 0;
    int opened = open_step(directory, length == 0 ? "." : step, flags);
    int error = errno;
    if (directory != root) close(directory);
    errno = error;
    return opened;
}

int open_beneath(int root, const char *path, int flags) {
    return open_part(root, path, strlen(path), flags);
}

static const char *last_component(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static bool is_name(const char *name) {
    return name[0] != 0 && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static int enter(int root, const char *path, size_t length) {
    int directory = open_part(root, path, length, O_PATH);
    if (directory == -1) return -1;
    int result = fchdir(directory);
    int error = errno;
    close(directory);
    errno = error;
    return result;
}

const char *enter_next(struct place *place, const char *path) {
    const char *name = last_component(path);
    if (!is_name(name) && strcmp(path, ".") != 0) {
        errno = EINVAL;
        return NULL;
    }
    // Of "/name" the directory would be another root.
    size_t length = name == path ? 0 : (size_t)(name - path - 1);
    if (place->path != NULL && place->length == length && memcmp(place->path, path, length) == 0)
        return name;
    place->path = NULL;
    if (enter(place->root, path, length) == -1) return NULL;
    place->path = path;
    place->length = length;
    return name;
}

const char *enter_parent(int root, const char *path) {
    struct place place = {.root = root};
    return enter_next(&place, path);
}
