// Removes small trees that are in nobody's use any more.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "beneath.h"
#include "files.h"
#include "walk.h"

// Deeper ones wiac removes itself.
enum { DEEPEST = 32, ENTRY_BYTES = 4096 };

static bool remove_name(int directory, const char *name, int depth);

// Names are read anew until there are none: removing some may change where the others stand.
static bool empty(int directory, int depth) {
    if (depth > DEEPEST) return errno = ELOOP, false;
    _Alignas(struct entry) char entries[ENTRY_BYTES];
    for (;;) {
        if (lseek(directory, 0, SEEK_SET) == -1) return false;
        ssize_t length = getdents64(directory, entries, sizeof entries);
        if (length == -1) return false;
        bool found = false;
        for (ssize_t at = 0; at < length;) {
            const struct entry *entry = (const struct entry *)(entries + at);
            at += entry->size;
            if (strcmp(entry->name, ".") == 0 || strcmp(entry->name, "..") == 0) continue;
            if (!remove_name(directory, entry->name, depth)) return false;
            found = true;
        }
        if (!found) return true;
    }
}

static bool remove_name(int directory, const char *name, int depth) {
    if (unlinkat(directory, name, 0) == 0 || errno == ENOENT) return true;
    if (errno != EISDIR && errno != EPERM) return false;
    int below = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (below == -1) return false;
    bool done = empty(below, depth + 1);
    int error = errno;
    close(below);
    errno = error;
    return done && (unlinkat(directory, name, AT_REMOVEDIR) == 0 || errno == ENOENT);
}

// Root, names in it.
void remove_trees(struct request *request, struct answer *answer) {
    const char *path, *name = "";
    if (!take_text(request, &path)) return tell_malformed(answer);
    int root = open_root(path);
    if (root == -1) return tell_failed(answer, "open", path, errno);
    bool done = true;
    while (done && take_text(request, &name)) {
        bool plain = name[0] != '\0' && strchr(name, '/') == NULL && strcmp(name, "..") != 0 && strcmp(name, ".") != 0;
        done = plain ? remove_name(root, name, 0) : (errno = EINVAL, false);
    }
    int error = errno;
    close(root);
    if (!done) tell_failed(answer, "unlink", name, error);
    else if (!is_empty(request)) tell_malformed(answer);
    else tell_done(answer);
}
