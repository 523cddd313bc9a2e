#ifndef CALLS_H
#define CALLS_H

// Prints the system calls that wiac needs and this kernel does not have, or hides: one a line.
int print_missing_calls(void);

#endif
