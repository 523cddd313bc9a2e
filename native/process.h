// The first process of a container, seen from outside of it.
#ifndef PROCESS_H
#define PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "operations.h"

struct child {
    pid_t number;
    // Readable when it has ended.
    int descriptor;
    // A socket: why the program did not begin, if that is so; the root that it handed over, if it did.
    int status;
    // Where the rest of its operations goes; -1: it began with all of them.
    int rest;
    // The rest has been sent to it, all of it.
    bool told;
};

// How it is cloned.
struct beginning {
    // Flags of clone(2).
    unsigned long namespaces;
    // Directory of the control group, of version 2, that it begins in; NULL for our own.
    const char *group;
    // Where its output and errors go; -1 for our own streams.
    int output;
    // The rest of its operations comes later, see `send_rest`.
    bool waits;
};

// Clones a process that carries out operations.
bool begin_child(struct child *child, struct operations *list, const struct beginning *how);

// Sends the rest of its operations to a child that waits for it.
void send_rest(struct child *child, const void *payload, uint32_t length);
// Whether a child that has ended had read the rest of its operations; true when it waited for none.
bool has_read_rest(const struct child *child);

// Tells wiac how a container ended: its exit code, and why the program did not begin, if that is so.
// survey: what the directory holds that it wrote to, `surveyed` bytes
void tell_ended(uint32_t id, uint32_t code, const char *status, size_t length, const void *survey,
                size_t surveyed);

// How a child has ended.
struct end {
    // As a shell has it.
    uint32_t code;
    // What it wrote, without a NUL.
    char status[STATUS_BYTES];
    size_t length;
    // Of what it could write to, to be closed; -1: it handed nothing over.
    int root;
};

// Waits for a child, and closes its descriptors.
void end_child(struct child *child, struct end *end);

// SIGKILL when our parent ends. False when it has ended already.
bool die_with_parent(void);

void send_signal(const struct child *child, int signal);

// Makes a pipe that any user of the container may open again by name, as /dev/stdout or in a link.
bool make_output_pipe(int ends[2]);

#endif
