// Owner, mode, extended attributes and times, from one file to another one.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "files.h"
#include "transfer.h"
#include "xattrs.h"

// Where attributes of this kind are not to be had, or not for us.
static bool is_refused(int error) {
    return error == EPERM || error == EACCES || error == EOPNOTSUPP;
}

static bool set_all(const struct answer *pairs, const char *name) {
    struct request request = {pairs->bytes, pairs->bytes + pairs->length};
    while (!is_empty(&request)) {
        const char *attribute;
        const uint8_t *value;
        uint32_t length;
        if (!take_text(&request, &attribute) || !take_bytes(&request, &value, &length)) return false;
        if (lsetxattr(name, attribute, value, length, 0) == -1 && !is_refused(errno)) return false;
    }
    return true;
}

// The calls for links take paths, not a directory and a name: for a moment we are there.
static bool set_all_in(const struct answer *pairs, int directory, const char *name) {
    int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (here == -1) return false;
    bool done = fchdir(directory) == 0 && set_all(pairs, name);
    int error = errno;
    done = fchdir(here) == 0 && done;
    close(here);
    errno = error;
    return done;
}

static bool copy_xattrs(const char *from, int directory, const char *name) {
    // Most files have none.
    ssize_t length = llistxattr(from, NULL, 0);
    if (length == 0 || (length == -1 && is_refused(errno))) return true;
    struct xattr_buffer *buffer = make_xattr_buffer();
    struct answer pairs = {0};
    int count = put_xattrs(&pairs, from, buffer);
    bool done = count == 0 || (count > 0 && set_all_in(&pairs, directory, name));
    int error = errno;
    free(pairs.bytes);
    free(buffer);
    errno = error;
    return done;
}

bool copy_attributes(const char *from, const struct stat *stats, int directory, const char *name, bool plain) {
    mode_t mode = stats->st_mode & 07777;
    if (fchownat(directory, name, stats->st_uid, stats->st_gid, AT_SYMLINK_NOFOLLOW) == -1) {
        if (errno != EPERM) return false;
        // It stays ours: nobody becomes us by running it.
        mode &= ~(S_ISUID | S_ISGID);
    }
    if (!S_ISLNK(stats->st_mode) && fchmodat(directory, name, mode, 0) == -1) return false;
    struct timespec times[] = {stats->st_atim, stats->st_mtim};
    return (plain || copy_xattrs(from, directory, name)) &&
           utimensat(directory, name, times, AT_SYMLINK_NOFOLLOW) == 0;
}
