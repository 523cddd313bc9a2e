// The face `files`: what Node can't do with files, in batches. Each batch is carried out by a thread of
// its own, so that a long one does not keep a short one waiting.
//
// A request's payload is a list of texts, each ended by NUL, numbers (4 bytes, little-endian) and
// byte strings (their length as a number, then the bytes). It begins with the root: an absolute path
// that wiac trusts. All other paths are below it: no symbolic link on their way is followed, and none
// leads out (beneath.h).
#ifndef FILES_H
#define FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What is left of a request.
struct request {
    const uint8_t *at, *end;
};

// Each returns false where the request ends too early; nothing behind its end is read.
bool take_number(struct request *request, uint32_t *number);
bool take_text(struct request *request, const char **text);
bool take_bytes(struct request *request, const uint8_t **bytes, uint32_t *length);
static inline bool is_empty(const struct request *request) { return request->at == request->end; }

// What is told about a request. Records collect in it; when there are many they are sent, so that
// the memory is bounded.
struct answer {
    uint32_t id;
    uint8_t *bytes;
    size_t length, capacity;
    // Sends what has collected; NULL: all of it stays.
    void (*send)(struct answer *answer, uint8_t kind);
};

void put_bytes(struct answer *answer, const void *bytes, size_t length);
void put_number(struct answer *answer, uint32_t number);
void put_large(struct answer *answer, uint64_t number);

// Room for a number that is known later, as `fill_number` then says.
size_t leave_number(struct answer *answer);
void fill_number(struct answer *answer, size_t at, uint32_t number);

// The record is complete.
void end_record(struct answer *answer);
// It was the last one: what comes is something else.
void end_records(struct answer *answer);

// The last thing that is told: all went well, and what else is in `answer` belongs to it.
void tell_done(struct answer *answer);
// A system call failed; `path` is as the request has it.
void tell_failed(struct answer *answer, const char *call, const char *path, int error);
// The request itself is wrong.
void tell_malformed(struct answer *answer);

// Carries out a request, and tells one last thing about it. The working directory is its own.
typedef void files_handler(struct request *request, struct answer *answer);

files_handler list_stats, list_directories, list_xattrs, list_digests, fill_directories, walk_tree, set_attributes, link_trees,
    copy_tree, sync_files, sync_trees, spread_tree, probe_types, make_fifos, remove_trees;

// Carries out requests that come over `input` until its end. Returns the exit code.
int serve_files(int input, int output);

#endif
