// What a store asks of its file system.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "beneath.h"
#include "files.h"
#include "walk.h"

#ifndef FS_TOPDIR_FL
#define FS_TOPDIR_FL 0x00020000
#endif

// Opens the directory that is all that a request names. -1 when it has been told why not.
static int open_only(struct request *request, struct answer *answer, const char **path) {
    if (!take_text(request, path) || !is_empty(request)) return tell_malformed(answer), -1;
    int root = open_root(*path);
    int opened = root == -1 ? -1 : open_beneath(root, "", O_RDONLY);
    int error = errno;
    if (root != -1) close(root);
    if (opened == -1) tell_failed(answer, "open", *path, error);
    return opened;
}

// done: else errno says why not
static void tell_result(struct answer *answer, const char *call, const char *path, bool done) {
    if (done) tell_done(answer);
    else tell_failed(answer, call, path, errno);
}

// Waits until the whole file system of a directory is on disk.
void sync_files(struct request *request, struct answer *answer) {
    const char *path;
    int directory = open_only(request, answer, &path);
    if (directory == -1) return;
    tell_result(answer, "syncfs", path, syncfs(directory) == 0);
    close(directory);
}

// Trees in a directory have nothing to do with each other: chattr(1), `T`.
void spread_tree(struct request *request, struct answer *answer) {
    const char *path;
    int directory = open_only(request, answer, &path);
    if (directory == -1) return;
    int flags;
    bool done = ioctl(directory, FS_IOC_GETFLAGS, &flags) == 0;
    flags |= FS_TOPDIR_FL;
    tell_result(answer, "ioctl", path, done && ioctl(directory, FS_IOC_SETFLAGS, &flags) == 0);
    close(directory);
}

// Tells the types of a directory's entries, as the directory itself has them: 0 where it has none.
void probe_types(struct request *request, struct answer *answer) {
    const char *path;
    int directory = open_only(request, answer, &path);
    if (directory == -1) return;
    _Alignas(struct entry) char entries[4096];
    ssize_t length = getdents64(directory, entries, sizeof entries);
    for (ssize_t at = 0; at < length;) {
        const struct entry *entry = (const struct entry *)(entries + at);
        at += entry->size;
        if (strcmp(entry->name, ".") == 0 || strcmp(entry->name, "..") == 0) continue;
        put_bytes(answer, &entry->type, 1);
    }
    tell_result(answer, "getdents64", path, length != -1);
    close(directory);
}

// Root, names of FIFOs that are made in it.
void make_fifos(struct request *request, struct answer *answer) {
    const char *path, *name;
    if (!take_text(request, &path)) return tell_malformed(answer);
    int root = open_root(path);
    if (root == -1) return tell_failed(answer, "open", path, errno);
    bool done = true;
    while (done && take_text(request, &name)) {
        if (strchr(name, '/') == NULL) done = mkfifoat(root, name, 0666) == 0;
        else errno = EINVAL, done = false;
    }
    if (done && !is_empty(request)) tell_malformed(answer);
    else tell_result(answer, "mkfifo", path, done);
    close(root);
}
