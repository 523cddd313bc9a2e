// Paths below a directory that is held open: the kernel resolves them there and follows no link.
#ifndef BENEATH_H
#define BENEATH_H

#include <stdbool.h>
#include <stddef.h>

// Opens a directory by a path that is trusted, symbolic links in it are followed. -1 with errno.
int open_root(const char *path);

// Opens a directory below another one, however long the path is; "" and "." are the directory itself.
// `flags` as O_PATH or O_RDONLY. -1 with errno: ELOOP or ENOTDIR
// where a component is a symbolic link, EXDEV where it leads out.
int open_beneath(int root, const char *path, int flags);

// Opens the directory that a path's last component is in, and makes it the working directory: the
// last component alone is what a system call gets. Returns it, or NULL with errno. "." and ".." are
// none, except that "." alone is the root.
const char *enter_parent(int root, const char *path);

// The same for many paths, of which those of one directory mostly come one after the other.
struct place {
    int root;
    // The directory that is entered: the beginning of a path, as long as the request.
    const char *path;
    size_t length;
};

const char *enter_next(struct place *place, const char *path);

#endif
