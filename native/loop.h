// Waits for many descriptors at once, in one thread.
#ifndef LOOP_H
#define LOOP_H

#include <stdbool.h>

// A descriptor that can be read, and what is to be done then. Part of a larger struct, which
// `ready` finds by the address.
struct watch {
    int descriptor;
    // What is read goes to wiac: it waits while wiac does not read.
    bool feeds_wiac;
    void (*ready)(struct watch *watch);
};

void add_watch(struct watch *watch);
// May be called by `ready`, for any watch.
void remove_watch(struct watch *watch);

// Carries out wiac's requests until it has ended, or closed its socket.
void serve(int socket);

#endif
