// What a small tree holds, for a process that does other things as well.
#ifndef SURVEY_H
#define SURVEY_H

#include <stdbool.h>
#include <stdint.h>

#include "files.h"

// Puts what `walk_tree` tells into the answer: records, then the measures. False when that fails, or the
// tree has more entries: to look at them would take too long. Leaves the working directory somewhere.
bool survey_tree(struct answer *answer, const char *path, const char *prefix, uint64_t most);

#endif
