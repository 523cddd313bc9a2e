// Regular files that may become something else at any moment.
#ifndef OPEN_FILE_H
#define OPEN_FILE_H

#include <sys/stat.h>

// Opens a file for reading if it is a regular one; no link is followed, and a fifo is not waited for.
// -1: it is not there, is something else, or can't be read.
int open_regular(int directory, const char *name, struct stat *stats);

#endif
