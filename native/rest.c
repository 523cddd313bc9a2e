// The rest of a container's operations. Whatever a container needs before its layers are known can be done
// earlier: its first process does it, and waits here.
#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "operations.h"
#include "process.h"

static bool receive(void *bytes, size_t length) {
    for (size_t done = 0; done < length;) {
        ssize_t count = read(REST, (char *)bytes + done, length - done);
        if (count == -1 && errno == EINTR) continue;
        // Nobody is there any more who would send it.
        if (count == 0) _exit(125);
        if (count == -1) return false;
        done += count;
    }
    return true;
}

// Memory of this process alone, which needs no lock.
static void *get_memory(size_t size) {
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

bool await_rest(struct operations *list) {
    uint32_t length;
    if (!receive(&length, sizeof length)) return false;
    char *payload = get_memory(length);
    if (payload == NULL || !receive(payload, length)) return false;
    close(REST);
    list->count = count_fields(payload, length);
    errno = EINVAL;
    if (list->count == 0) return false;
    // One more: the arguments of a program end with NULL.
    list->fields = get_memory((list->count + 1) * sizeof *list->fields);
    if (list->fields == NULL) return false;
    fill_fields(payload, list->count, list->fields);
    list->waits = false;
    return true;
}

// The child reads all the time: we wait for it, should the socket be full.
static bool send_all(int socket, const void *bytes, size_t length) {
    for (size_t done = 0; done < length;) {
        ssize_t count = send(socket, (const char *)bytes + done, length - done, MSG_NOSIGNAL);
        if (count == -1 && errno != EINTR) return false;
        if (count > 0) done += count;
    }
    return true;
}

void send_rest(struct child *child, const void *payload, uint32_t length) {
    // Should it have ended, its end says why.
    child->told = send_all(child->rest, &length, sizeof length) && send_all(child->rest, payload, length);
}

bool has_read_rest(const struct child *child) {
    if (child->rest == -1) return true;
    if (!child->told) return false;
    // A socket tells whether its other end was closed before all was read: it may have been killed while
    // the message was on its way.
    char byte;
    return recv(child->rest, &byte, sizeof byte, MSG_DONTWAIT) != -1 || errno != ECONNRESET;
}
