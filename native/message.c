#include "message.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_BYTES = 64 << 10, ENOUGH_WAITING = 1 << 20 };

// Bytes that have come and are no complete request yet.
static uint8_t *input;
static size_t input_length, input_capacity;

// Bytes that the socket has not taken yet.
static uint8_t *waiting;
static size_t waiting_start, waiting_end, waiting_capacity;

static uint8_t *grow(uint8_t *buffer, size_t *capacity, size_t wanted) {
    if (wanted <= *capacity) return buffer;
    size_t next = *capacity > 0 ? *capacity : READ_BYTES;
    while (next < wanted) next *= 2;
    uint8_t *grown = realloc(buffer, next);
    // Nothing sensible can be done, and wiac says that we have ended.
    if (grown == NULL) _exit(1);
    *capacity = next;
    return grown;
}

static uint32_t get_number(const uint8_t *bytes) {
    uint32_t number;
    memcpy(&number, bytes, sizeof number);
    return number;
}

enum receipt { CAME, NOTHING_YET, NO_MORE };

// Reads once, with room for the rest of the message that has begun.
static enum receipt receive(int socket) {
    size_t wanted = input_length + READ_BYTES;
    if (input_length >= HEADER_BYTES) {
        size_t length = get_number(input);
        if (length > MAX_PAYLOAD) return NO_MORE;
        if (wanted < HEADER_BYTES + length) wanted = HEADER_BYTES + length;
    }
    input = grow(input, &input_capacity, wanted);
    ssize_t count = recv(socket, input + input_length, input_capacity - input_length, MSG_DONTWAIT);
    if (count == -1) return errno == EAGAIN || errno == EINTR ? NOTHING_YET : NO_MORE;
    if (count == 0) return NO_MORE;
    input_length += count;
    return CAME;
}

// Length of the complete message that begins at `start`, 0 if there is none.
static size_t complete_message(size_t start) {
    if (input_length - start < HEADER_BYTES) return 0;
    size_t length = get_number(input + start);
    return length <= input_length - start - HEADER_BYTES ? HEADER_BYTES + length : 0;
}

static request_handler *find_handler(const struct request_type *const *tables, uint8_t kind) {
    for (; *tables != NULL; tables++) {
        for (const struct request_type *type = *tables; type->handle != NULL; type++)
            if (type->kind == kind) return type->handle;
    }
    return NULL;
}

bool take_messages(int socket, const struct request_type *const *tables) {
    enum receipt receipt = receive(socket);
    if (receipt != CAME) return receipt == NOTHING_YET;
    size_t start = 0, size;
    while ((size = complete_message(start)) > 0) {
        uint8_t *message = input + start;
        uint32_t id = get_number(message + 4);
        request_handler *handle = find_handler(tables, message[8]);
        static const char unknown[] = "no request of this kind is known";
        if (handle != NULL) handle(id, message + HEADER_BYTES, size - HEADER_BYTES);
        else tell(id, TELL_REFUSED, unknown, sizeof unknown - 1);
        start += size;
    }
    input_length -= start;
    memmove(input, input + start, input_length);
    // Later containers begin as copies of this process: no secret of former ones stays.
    explicit_bzero(input + input_length, start);
    return input_length < HEADER_BYTES || get_number(input) <= MAX_PAYLOAD;
}

uint8_t *await_request(int socket, uint8_t kind, uint32_t *id, size_t *length) {
    size_t size;
    while ((size = complete_message(0)) == 0) {
        struct pollfd readable = {.fd = socket, .events = POLLIN};
        if (poll(&readable, 1, -1) == -1 && errno != EINTR) return NULL;
        if (receive(socket) == NO_MORE) return NULL;
    }
    if (input[8] != kind) return NULL;
    *id = get_number(input + 4);
    *length = size - HEADER_BYTES;
    return input + HEADER_BYTES;
}

uint8_t *prepare_payload(size_t room) {
    if (waiting_start == waiting_end) waiting_start = waiting_end = 0;
    if (waiting_start > 0 && waiting_end + HEADER_BYTES + room > waiting_capacity) {
        memmove(waiting, waiting + waiting_start, waiting_end - waiting_start);
        waiting_end -= waiting_start;
        waiting_start = 0;
    }
    waiting = grow(waiting, &waiting_capacity, waiting_end + HEADER_BYTES + room);
    return waiting + waiting_end + HEADER_BYTES;
}

void tell_prepared(uint32_t id, uint8_t kind, size_t length) {
    uint8_t *header = waiting + waiting_end;
    uint32_t size = length;
    memcpy(header, &size, sizeof size);
    memcpy(header + 4, &id, sizeof id);
    header[8] = kind;
    waiting_end += HEADER_BYTES + length;
}

void tell(uint32_t id, uint8_t kind, const void *payload, size_t length) {
    memcpy(prepare_payload(length), payload, length);
    tell_prepared(id, kind, length);
}

bool send_waiting(int socket) {
    while (waiting_start < waiting_end) {
        ssize_t count = send(socket, waiting + waiting_start, waiting_end - waiting_start,
                             MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count == -1) return errno == EAGAIN || errno == EINTR;
        waiting_start += count;
    }
    return true;
}

bool has_waiting(void) { return waiting_start < waiting_end; }

bool is_congested(void) { return waiting_end - waiting_start > ENOUGH_WAITING; }
