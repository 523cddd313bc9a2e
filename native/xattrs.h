// Extended attributes of one file, for an answer.
#ifndef XATTRS_H
#define XATTRS_H

#include <stdbool.h>

#include "files.h"

// Room for what the kernel gives at most.
struct xattr_buffer {
    char names[64 << 10], value[64 << 10];
};

// Puts name (ended by NUL), length of the value and value of each attribute that wiac may want.
// @name in the working directory; a symbolic link's own
// Returns how many, or -1 with errno. One that has vanished has none.
int put_xattrs(struct answer *answer, const char *name, struct xattr_buffer *buffer);

struct xattr_buffer *make_xattr_buffer(void);

#endif
