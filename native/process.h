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
    // Why the program did not begin, if that is so.
    int status;
};

// Clones a process that carries out operations.
// namespaces: flags of clone(2)
// group: directory of the control group, of version 2, that it begins in; NULL for our own
// output: where its output and errors go; -1 for our own streams
bool begin_child(struct child *child, struct operations *list, unsigned long namespaces,
                 const char *group, int output);

// Tells wiac how a container ended: its exit code, and why the program did not begin, if that is so.
// survey: what the directory holds that it wrote to, `surveyed` bytes
void tell_ended(uint32_t id, uint32_t code, const char *status, size_t length, const void *survey,
                size_t surveyed);

// Waits for a child, and closes its descriptors. Its exit code is as a shell has it.
// Text of `status`: what it wrote, without a NUL; returns the length.
size_t end_child(struct child *child, char *status, size_t room, uint32_t *code);

// SIGKILL when our parent ends. False when it has ended already.
bool die_with_parent(void);

void send_signal(const struct child *child, int signal);

// Makes a pipe that any user of the container may open again by name, as /dev/stdout or in a link.
bool make_output_pipe(int ends[2]);

#endif
