// Signals that a person or a supervisor sends to a program: who waits for it passes them on.
#ifndef SUPERVISE_H
#define SUPERVISE_H

#include <stdbool.h>
#include <sys/types.h>

// Those that come before the program runs wait.
void hold_signals(void);
// In the program's own process: they are as they were.
void take_signals(void);
// To the process with that number, from now on.
void pass_signals_to(pid_t child);

#endif
