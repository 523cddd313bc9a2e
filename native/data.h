// Content of files.
#ifndef DATA_H
#define DATA_H

#include <stdbool.h>

// Copies all that is in one file into an empty one: shared where the file system can do that, holes
// stay holes. False with errno.
bool copy_data(int from, int to);

#endif
