#ifndef RUN_H
#define RUN_H

#include <sys/types.h>

// Runs the one container that wiac asks for, with this process's streams. Returns our exit code.
int run_program(char **argv, pid_t parent);

#endif
