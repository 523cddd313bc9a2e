// A terminal of our own for a program, and the caller's, which it stands in for.
#ifndef TERMINAL_H
#define TERMINAL_H

#include <stdbool.h>
#include <sys/types.h>

// Makes one with the settings and the size of the caller's, if that has one (else -1).
// ptmx: what makes terminals; pts: the directory where they appear
// slave: becomes the program's end; ours is returned, or -1.
int open_terminal(int caller, const char *ptmx, const char *pts, uid_t uid, int *slave);

bool has_terminal(void);

bool copy_window_size(void);

// Keys go to the program as they are typed, from the first call on. False in the background.
bool listen_to_keys(void);

// The caller's is as it was before. For signal handlers too.
void restore_terminal(void);

#endif
