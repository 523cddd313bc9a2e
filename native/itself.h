#ifndef ITSELF_H
#define ITSELF_H

// Runs this program again from a read-only mount of its own file, unless it is run so already.
// Returns NULL then; or why that is not possible, as a text for TELL_ENDED.
const char *protect_itself(char **argv);

#endif
