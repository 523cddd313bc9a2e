// A set of inodes.
#ifndef INODES_H
#define INODES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct inode {
    dev_t device;
    ino_t number;
};

struct inodes {
    // Where the number is 0, no inode has, nothing is.
    struct inode *places;
    size_t count, capacity;
};

// False when it is there already.
bool add_inode(struct inodes *inodes, dev_t device, ino_t number);

void free_inodes(struct inodes *inodes);

#endif
