#include "loop.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "message.h"

static struct watch **watches;
static struct pollfd *polls;
static size_t count, capacity;

// The first of the polled descriptors is the socket.
enum { FIRST = 1 };

void add_watch(struct watch *watch) {
    if (count == capacity) {
        capacity = capacity > 0 ? 2 * capacity : 16;
        watches = realloc(watches, capacity * sizeof *watches);
        polls = realloc(polls, (FIRST + capacity) * sizeof *polls);
        if (watches == NULL || polls == NULL) _exit(1);
    }
    watches[count++] = watch;
}

// Leaves a gap: whoever goes through the list now goes on.
void remove_watch(struct watch *watch) {
    for (size_t index = 0; index < count; index++)
        if (watches[index] == watch) watches[index] = NULL;
}

static void close_gaps(void) {
    size_t kept = 0;
    for (size_t index = 0; index < count; index++)
        if (watches[index] != NULL) watches[kept++] = watches[index];
    count = kept;
}

static void reply_version(uint32_t id, uint8_t *payload, size_t length) {
    (void)payload, (void)length;
    tell(id, TELL_VERSION, PROTOCOL, strlen(PROTOCOL));
}

static const struct request_type OWN_REQUESTS[] = {{ASK_VERSION, reply_version}, {0, NULL}};
static const struct request_type *const TABLES[] = {OWN_REQUESTS, CONTAINER_REQUESTS, NULL};

void serve(int socket) {
    polls = calloc(FIRST, sizeof *polls);
    if (polls == NULL) _exit(1);
    for (;;) {
        if (!send_waiting(socket)) return;
        close_gaps();
        bool congested = is_congested();
        short events = has_waiting() ? POLLIN | POLLOUT : POLLIN;
        polls[0] = (struct pollfd){.fd = socket, .events = events};
        size_t polled = count;
        for (size_t index = 0; index < polled; index++) {
            bool waits = congested && watches[index]->feeds_wiac;
            int descriptor = waits ? -1 : watches[index]->descriptor;
            polls[FIRST + index] = (struct pollfd){.fd = descriptor, .events = POLLIN};
        }
        if (poll(polls, FIRST + polled, -1) == -1) {
            if (errno == EINTR) continue;
            return;
        }
        // What a handler adds comes behind these.
        for (size_t index = 0; index < polled; index++) {
            struct watch *watch = watches[index];
            if (watch != NULL && polls[FIRST + index].revents != 0) watch->ready(watch);
        }
        if ((polls[0].revents & ~POLLOUT) != 0 && !take_messages(socket, TABLES)) return;
    }
}
