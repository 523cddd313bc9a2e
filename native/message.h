// Messages between wiac and this program, over a Unix stream socket.
//
// A frame is: length of the payload (4 bytes, little-endian), number of the request (4 bytes,
// little-endian), kind (1 byte), payload. src/native/frames.ts has the same numbers.
#ifndef MESSAGE_H
#define MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The two programs come from one package; this tells those apart that do not.
#define PROTOCOL "4"

enum { SOCKET = 3, HEADER_BYTES = 9, MAX_PAYLOAD = 256 << 20 };

// What wiac asks for.
enum request_kind {
    ASK_VERSION = 1,
    // Payload: the operations of a container, see operations.h.
    ASK_RUN = 2,
    // Payload: number of a signal (4 bytes), for the container that the request's number names.
    ASK_SIGNAL = 3,
    // For the container that the request's number names, which waits for it. Payload: a directory that it
    // writes to, or nothing, ended by NUL; then the rest of its operations.
    ASK_REST = 4,
    // Those of files.h. Extended attributes of a list of files; and of a tree, with its measures.
    ASK_XATTRS = 16,
    ASK_TREE = 17,
    // Devices, extended attributes, times.
    ASK_SET = 18,
    // Trees of one directory into another one: by links, by copies.
    ASK_LINK = 19,
    ASK_COPY = 20,
    ASK_SYNC = 21,
    ASK_SPREAD = 22,
    ASK_TYPES = 23,
    // What lstat says of a list of files.
    ASK_STATS = 24,
    // Digests and extended attributes of a list of files, and copies of them.
    ASK_DIGESTS = 25,
    ASK_FILL = 26,
    // Names in directories, with what lstat says of them.
    ASK_LIST = 27,
    ASK_FIFOS = 28,
    ASK_REMOVE = 29,
    // Some files and trees of a file system.
    ASK_SYNC_TREES = 30,
};

// What it is told.
enum reply_kind {
    TELL_VERSION = 1,
    // Bytes that the container's program has written.
    TELL_OUTPUT = 2,
    // Payload: exit code (4 bytes); why the program could not be started, or its files not be kept as they
    // are, if that is so, ended by NUL; what survey.h puts together of the directory that was to be looked
    // at, if that was done.
    TELL_ENDED = 3,
    // Payload: what is wrong with a request.
    TELL_REFUSED = 4,
    // Records of an answer that has more of them.
    TELL_PART = 16,
    TELL_DONE = 17,
    // Payload: number of the error (4 bytes), system call and reason (each ended by NUL), path.
    TELL_FAILED = 18,
};

// Carries out a request. The payload may be changed, and is gone when this returns.
typedef void request_handler(uint32_t id, uint8_t *payload, size_t length);

struct request_type {
    uint8_t kind;
    request_handler *handle;
};

// Each face of this program has a table of the requests it takes; the last entry has no handler.
extern const struct request_type CONTAINER_REQUESTS[];

// Reads what has come, and calls the handler of each complete request. False at the end of the
// stream, and when what comes is no message.
bool take_messages(int socket, const struct request_type *const *tables);

// Waits for one request, and keeps it. Returns its payload, or NULL when none comes.
uint8_t *await_request(int socket, uint8_t kind, uint32_t *id, size_t *length);

void tell(uint32_t id, uint8_t kind, const void *payload, size_t length);

// Where to put up to `room` bytes of a payload, for `tell_prepared`: so they are copied once.
uint8_t *prepare_payload(size_t room);
void tell_prepared(uint32_t id, uint8_t kind, size_t length);

// Sends what waits, as much as the socket takes. False when nobody reads any longer.
bool send_waiting(int socket);

bool has_waiting(void);

// So much waits that no more output should be read for now.
bool is_congested(void);

#endif
