// Digests and extended attributes of many files, and the opening of files that other processes may replace.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "data.h"
#include "files.h"
#include "listed.h"
#include "open-file.h"
#include "xattrs.h"

int open_regular(int directory, const char *name, struct stat *stats) {
    int file = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (file == -1) return -1;
    if (fstat(file, stats) == 0 && S_ISREG(stats->st_mode)) return file;
    close(file);
    return -1;
}

static bool put_file(struct listed *listed, const char *name, const struct content *content) {
    struct answer *answer = listed->answer;
    put_number(answer, listed->number);
    put_large(answer, content->size);
    put_bytes(answer, content->digest, sizeof content->digest);
    size_t size = leave_number(answer), from = answer->length;
    if (put_xattrs(answer, name, listed->context) == -1) return false;
    fill_number(answer, size, answer->length - from);
    return true;
}

// A record: number of the file, its size, its digest, length of the rest, extended attributes. There is
// none of what is no regular file any more, or can't be read: wiac looks at that itself, and says why.
static bool put_digest(struct listed *listed, const char *name) {
    struct stat stats;
    int file = listed->gone ? -1 : open_regular(AT_FDCWD, name, &stats);
    if (file == -1) return true;
    struct content content;
    bool done = !read_data(file, &stats, -1, &content) || put_file(listed, name, &content);
    int error = errno;
    close(file);
    errno = error;
    return done;
}

void list_digests(struct request *request, struct answer *answer) {
    struct xattr_buffer *buffer = make_xattr_buffer();
    struct listed listed = {.answer = answer, .put = put_digest, .call = "listxattr", .context = buffer};
    take_listed(request, &listed);
    free(buffer);
}
