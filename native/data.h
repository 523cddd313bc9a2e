// Content of files.
#ifndef DATA_H
#define DATA_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "sha256.h"

// Copies all that is in one file into an empty one: shared where the file system can do that, holes
// stay holes. False with errno.
bool copy_data(int from, int to);

// What was read of a file.
struct content {
    uint64_t size;
    uint8_t digest[SHA256_BYTES];
};

// Reads a file that may change meanwhile: `content` is what was read of it. It is written into an
// empty file as well, which is open for reading and writing, unless `to` is -1: what is digested is
// what that holds. False with errno.
bool read_data(int from, const struct stat *stats, int to, struct content *content);

#endif
