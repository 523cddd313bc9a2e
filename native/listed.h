// Files that a request lists by their directories.
#ifndef LISTED_H
#define LISTED_H

#include <stdbool.h>

#include "files.h"

struct listed {
    struct answer *answer;
    // Of the file in the whole request.
    uint32_t number;
    // Of the directory: another process removed it, or put something else in its place.
    bool gone;
    // What `put` does, for tell_failed.
    const char *call;
    // Called for each file; `name` is in the working directory. False with errno ends the request.
    bool (*put)(struct listed *listed, const char *name);
    void *context;
};

// Root, then for each directory: its path, number of names, names. "." is the directory itself. Tells
// the last thing as well.
void take_listed(struct request *request, struct listed *listed);

#endif
