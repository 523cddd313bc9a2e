// One tree into another one: what linking and copying have in common.
#ifndef TRANSFER_H
#define TRANSFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct transfer {
    // The directory that all goes into, and the one that the files of the walk's directory go into.
    int into, target;
    // Path below `into` of that directory, and of what is put there.
    char *path;
    size_t prefix_length, capacity;
    // Of `into`, so that nothing is copied into itself.
    dev_t device;
    ino_t inode;
    // Entries that were made.
    uint32_t count;
    // Puts the entry `name` of the working directory, no directory, into `target`.
    bool (*put)(struct transfer *transfer, const char *name);
    // Directories that are there already are entered.
    bool merges;
    // Extended attributes belong to layers, not to files, and stay where they are.
    bool plain;
    void *context;
};

// Puts all that is in `from` into the directory `prefix` below `into`, which is there, and gives that
// the attributes of `from`. False with errno; `call` and `path`, which the caller frees, say of what.
bool transfer_tree(struct transfer *transfer, int from, const char *prefix, const char **call, char **path);

// Gives a new file owner, mode, extended attributes and times of another one.
// from: in the working directory
// name: in `directory`; "." for itself
// plain: without extended attributes
// What only root may set is left out where we are not.
bool copy_attributes(const char *from, const struct stat *stats, int directory, const char *name, bool plain);

// For `put`: copies the entry; names of one file stay that. `context` is what begin_copies returns.
bool put_copy(struct transfer *transfer, const char *name);
struct copies *begin_copies(void);
void end_copies(struct copies *copies);

#endif
