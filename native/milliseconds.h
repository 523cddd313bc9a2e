#ifndef MILLISECONDS_H
#define MILLISECONDS_H

#include <time.h>

// A time as Node has it, in doubles too, or fingerprints would differ.
static inline double milliseconds(struct timespec time) {
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

#endif
