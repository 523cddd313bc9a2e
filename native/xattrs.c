#include "xattrs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "listed.h"

struct xattr_buffer *make_xattr_buffer(void) {
    struct xattr_buffer *buffer = malloc(sizeof *buffer);
    if (buffer == NULL) _exit(1);
    return buffer;
}

static bool begins_with(const char *text, const char *prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

// A label of SELinux is on each file: to tell it would take as long as to read the file.
static bool is_told(const char *name) {
    if (begins_with(name, "security.")) return !begins_with(name, "security.se");
    return begins_with(name, "user.") || begins_with(name, "trusted.") || begins_with(name, "system.");
}

// It vanished, or its file system has none, or we may not look.
static bool is_none(int error) {
    return error == ENOENT || error == ENOTDIR || error == ELOOP || error == ENODATA ||
           error == EOPNOTSUPP || error == EACCES || error == EPERM;
}

int put_xattrs(struct answer *answer, const char *name, struct xattr_buffer *buffer) {
    ssize_t length = llistxattr(name, buffer->names, sizeof buffer->names);
    if (length == -1) return is_none(errno) ? 0 : -1;
    int count = 0;
    for (const char *each = buffer->names; each < buffer->names + length; each += strlen(each) + 1) {
        if (!is_told(each)) continue;
        ssize_t size = lgetxattr(name, each, buffer->value, sizeof buffer->value);
        if (size == -1 && is_none(errno)) continue;
        if (size == -1) return -1;
        put_bytes(answer, each, strlen(each) + 1);
        put_number(answer, size);
        put_bytes(answer, buffer->value, size);
        count++;
    }
    return count;
}

// A record: number of the file, length of the rest, attributes. Of a file that has none, nothing.
static bool put_file(struct listed *listed, const char *name) {
    if (listed->gone) return true;
    struct answer *answer = listed->answer;
    size_t start = answer->length;
    put_number(answer, listed->number);
    size_t size = leave_number(answer), from = answer->length;
    int count = put_xattrs(answer, name, listed->context);
    if (count == 0) answer->length = start;
    if (count > 0) fill_number(answer, size, answer->length - from);
    return count != -1;
}

void list_xattrs(struct request *request, struct answer *answer) {
    struct xattr_buffer *buffer = make_xattr_buffer();
    struct listed listed = {.answer = answer, .put = put_file, .call = "listxattr", .context = buffer};
    take_listed(request, &listed);
    free(buffer);
}
