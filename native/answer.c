// Reads requests and builds answers, piece by piece.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"

bool take_number(struct request *request, uint32_t *number) {
    if ((size_t)(request->end - request->at) < sizeof *number) return false;
    memcpy(number, request->at, sizeof *number);
    request->at += sizeof *number;
    return true;
}

bool take_text(struct request *request, const char **text) {
    const uint8_t *end = memchr(request->at, 0, request->end - request->at);
    if (end == NULL) return false;
    *text = (const char *)request->at;
    request->at = end + 1;
    return true;
}

bool take_bytes(struct request *request, const uint8_t **bytes, uint32_t *length) {
    if (!take_number(request, length)) return false;
    if ((size_t)(request->end - request->at) < *length) return false;
    *bytes = request->at;
    request->at += *length;
    return true;
}

void put_bytes(struct answer *answer, const void *bytes, size_t length) {
    if (length == 0) return;
    if (answer->length + length > answer->capacity) {
        answer->capacity = 2 * (answer->length + length);
        answer->bytes = realloc(answer->bytes, answer->capacity);
        // Nothing sensible can be done, and wiac says that we have ended.
        if (answer->bytes == NULL) _exit(1);
    }
    memcpy(answer->bytes + answer->length, bytes, length);
    answer->length += length;
}

void put_number(struct answer *answer, uint32_t number) { put_bytes(answer, &number, sizeof number); }

void put_large(struct answer *answer, uint64_t number) { put_bytes(answer, &number, sizeof number); }

size_t leave_number(struct answer *answer) {
    size_t at = answer->length;
    put_number(answer, 0);
    return at;
}

void fill_number(struct answer *answer, size_t at, uint32_t number) {
    memcpy(answer->bytes + at, &number, sizeof number);
}
