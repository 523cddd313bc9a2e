#include "inodes.h"

#include <stdlib.h>
#include <unistd.h>

enum { FIRST_CAPACITY = 1024 };

// Where an inode is, or has to go.
static struct inode *find_place(struct inodes *inodes, dev_t device, ino_t number) {
    // Numbers follow each other: this spreads them.
    size_t at = (number * 0x9e3779b97f4a7c15u) >> 20;
    for (;; at++) {
        struct inode *place = &inodes->places[at & (inodes->capacity - 1)];
        if (place->number == 0 || (place->number == number && place->device == device)) return place;
    }
}

static void grow(struct inodes *inodes) {
    struct inodes grown = {.capacity = inodes->capacity > 0 ? 2 * inodes->capacity : FIRST_CAPACITY,
                           .count = inodes->count};
    grown.places = calloc(grown.capacity, sizeof *grown.places);
    // Nothing sensible can be done, and wiac says that we have ended.
    if (grown.places == NULL) _exit(1);
    for (size_t index = 0; index < inodes->capacity; index++) {
        struct inode each = inodes->places[index];
        if (each.number != 0) *find_place(&grown, each.device, each.number) = each;
    }
    free(inodes->places);
    *inodes = grown;
}

bool add_inode(struct inodes *inodes, dev_t device, ino_t number) {
    // Half of it stays empty.
    if (2 * inodes->count >= inodes->capacity) grow(inodes);
    struct inode *place = find_place(inodes, device, number);
    if (place->number != 0) return false;
    *place = (struct inode){device, number};
    inodes->count++;
    return true;
}

void free_inodes(struct inodes *inodes) { free(inodes->places); }
