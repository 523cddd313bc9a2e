// Goes through a tree of any depth, each directory before what is in it, without following a link.
#ifndef WALK_H
#define WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct walk {
    // Of the entry that is visited: relative to the root, ended by NUL; its name is at the end of it.
    // The working directory is the one that holds it. The root itself has no path, and the name ".".
    char *path;
    size_t path_length;
    const char *name;
    // Of the directory that is visited or left; the root's is 0.
    size_t depth;
    // What failed, for tell_failed.
    const char *call;

    // Called for each entry, with its type as readdir(3) has it (DT_DIR). False ends the walk with errno.
    bool (*visit)(struct walk *walk, unsigned char type);
    // Called when a directory has become the working directory, before its entries; may be NULL.
    bool (*enter)(struct walk *walk);
    // Called when all below a directory is visited and it is the working directory; may be NULL.
    bool (*leave)(struct walk *walk);
    void *context;
    // Whether an entry that vanishes meanwhile is left out; else that is an error.
    bool may_vanish;
    // Whether nothing is visited of what is mounted below the root, but the directory it is mounted on.
    bool stays;
};

// Begins with the root itself. False with errno, `call` and `path` when something failed.
bool walk_from(struct walk *walk, int root);

// What getdents64(2) gives.
struct entry {
    uint64_t inode;
    int64_t offset;
    unsigned short size;
    unsigned char type;
    char name[];
};

#endif
