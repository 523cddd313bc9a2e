// What is between the program's streams and those of our caller.
#ifndef RELAY_H
#define RELAY_H

#include <stdbool.h>

// PTMX PTS UID ALWAYS. For a program that has our caller's streams. Pipes are passed on as they are, each
// terminal is replaced by one of our own, and other files by a pipe: with a descriptor a program could
// read what is typed, or change a file's mode. With ALWAYS all three are one terminal of our own, also
// where the caller has none.
bool relay_streams(char **operands);

bool is_relaying(void);

// Passes on until the process has ended, with all that it wrote.
// process: a descriptor that can be read then
void relay(int process);

// Why output could not be passed on: a number of errno, or 0.
int lost_output(void);

#endif
