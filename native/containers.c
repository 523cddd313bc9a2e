// Containers of a build: begins them, passes on what they write, says how they ended.
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "containers.h"
#include "loop.h"
#include "message.h"
#include "operations.h"
#include "process.h"
#include "seal.h"
#include "survey.h"

// To look at so many files keeps other containers waiting for some milliseconds.
enum { OUTPUT_BYTES = 64 << 10, MOST_SURVEYED = 2000 };

// Names that begin so are reserved: wiac wants to know of them (image-spec layer.md, "Whiteouts").
static const char RESERVED[] = ".wh.";

struct container {
    // Of the request that began it.
    uint32_t id;
    struct child child;
    struct watch process, output;
    // What it writes to, which is looked at when it has ended; NULL: nothing is.
    char *written;
    struct container *next;
};

static struct container *containers;

// Why this process must not begin any, if that is so.
static const char *danger;

void refuse_containers(const char *reason) { danger = reason; }

// waits: one that was to wait for the rest of its operations can be begun again when they are known
static void tell_failure(uint32_t id, bool waits, const char *what, int error) {
    char status[STATUS_BYTES / 2];
    const char *stage = waits ? "early" : "setup";
    int length = snprintf(status, sizeof status, "%s: %s: %s", stage, what, get_reason(error));
    tell_ended(id, 125, status, length, NULL, 0);
}

// Reads once, `room` bytes at most. Returns as read(2) does.
static ssize_t pass_output_on(struct container *container, size_t room) {
    ssize_t count = read(container->output.descriptor, prepare_payload(room), room);
    if (count > 0) tell_prepared(container->id, TELL_OUTPUT, count);
    return count;
}

static void close_output(struct container *container) {
    if (container->output.descriptor == -1) return;
    remove_watch(&container->output);
    close(container->output.descriptor);
    container->output.descriptor = -1;
}

static void on_output(struct watch *watch) {
    struct container *container =
        (struct container *)((char *)watch - offsetof(struct container, output));
    ssize_t count = pass_output_on(container, OUTPUT_BYTES);
    if (count == 0 || (count == -1 && errno != EAGAIN && errno != EINTR)) close_output(container);
}

// Somebody outside of the container may hold its pipe open for longer, and write on: whatever its own
// processes wrote is in it by now. A pipe holds so little that it need not wait for the socket.
static void pass_rest_on(struct container *container) {
    int left = 0;
    ioctl(container->output.descriptor, FIONREAD, &left);
    while (left > 0) {
        ssize_t count = pass_output_on(container, left);
        if (count <= 0) return;
        left -= count;
    }
}

// What cannot be looked at here, wiac looks at itself, and says what is wrong.
static void tell_survey(const struct container *container, const struct end *end) {
    struct answer survey = {.id = container->id};
    bool done = container->written != NULL && end->length == 0 &&
                survey_tree(&survey, container->written, RESERVED, MOST_SURVEYED);
    tell_ended(container->id, end->code, end->status, end->length, survey.bytes,
               done ? survey.length : 0);
    free(survey.bytes);
    if (chdir("/") == -1) _exit(1);
}

// A process outside of the container may have got its files by a socket, and would change them when
// wiac has read them. A mount that was not made yet has none.
static void keep_as_they_are(struct end *end) {
    if (end->root == -1) return;
    if (end->length == 0 && !seal(end->root)) {
        const char *kind = errno == EBUSY ? "held" : "files";
        end->length = snprintf(end->status, sizeof end->status, "%s: %s", kind, get_reason(errno));
    }
    close(end->root);
}

static void on_end(struct watch *watch) {
    struct container *container =
        (struct container *)((char *)watch - offsetof(struct container, process));
    if (container->output.descriptor != -1) pass_rest_on(container);
    close_output(container);
    remove_watch(&container->process);
    struct end end;
    end_child(&container->child, &end);
    keep_as_they_are(&end);
    tell_survey(container, &end);
    for (struct container **at = &containers; *at != NULL; at = &(*at)->next) {
        if (*at != container) continue;
        *at = container->next;
        break;
    }
    free(container->written);
    free(container);
}

static void add_container(uint32_t id, struct child child, int output, char *written) {
    struct container *container = calloc(1, sizeof *container);
    if (container == NULL) _exit(1);
    container->id = id;
    container->child = child;
    container->written = written;
    container->process = (struct watch){.descriptor = child.descriptor, .ready = on_end};
    container->output = (struct watch){.descriptor = output, .feeds_wiac = true, .ready = on_output};
    container->next = containers;
    containers = container;
    add_watch(&container->output);
    add_watch(&container->process);
}

// What children without a mount namespace of their own mount, all that come later see, and nobody else.
static bool isolate_mounts(void) {
    static bool isolated;
    if (isolated) return true;
    // What is mounted on this machine meanwhile shows up here, not the other way round.
    isolated = unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) == 0;
    return isolated;
}

// The first of the operations is ours: with what namespaces the container's process is cloned, in which
// control group, and what it writes to.
static void begin_container(uint32_t id, struct operations *list) {
    struct operation clone;
    bool has_first = next_operation(list, &clone);
    if (has_first && strcmp(clone.name, "share-mounts") == 0) {
        if (!isolate_mounts()) return tell_failure(id, false, "unshare", errno);
        has_first = next_operation(list, &clone);
    }
    if (!has_first || strcmp(clone.name, "clone") != 0 || clone.count < 1)
        return tell_failure(id, false, "the list does not begin with clone", EINVAL);
    bool waits = get_operand(&clone, 3) != NULL;
    int ends[2];
    if (!make_output_pipe(ends)) return tell_failure(id, waits, "pipe", errno);
    struct child child;
    const char *directory = get_operand(&clone, 2);
    char *written = directory != NULL ? strdup(directory) : NULL;
    struct beginning how = {
        .namespaces = number(clone.operands[0]),
        .group = get_operand(&clone, 1),
        .output = ends[1],
        .waits = waits,
    };
    bool done = begin_child(&child, list, &how);
    int error = errno;
    close(ends[1]);
    if (done) {
        fcntl(ends[0], F_SETFL, O_NONBLOCK);
        return add_container(id, child, ends[0], written);
    }
    close(ends[0]);
    free(written);
    tell_failure(id, waits, "clone", error);
}

static void on_run(uint32_t id, uint8_t *payload, size_t length) {
    if (danger != NULL) return tell_ended(id, 125, danger, strlen(danger), NULL, 0);
    struct operations list;
    if (!split_operations((char *)payload, length, &list))
        return tell_failure(id, false, "the operations are no list", EINVAL);
    char **fields = list.fields;
    begin_container(id, &list);
    free(fields);
}

// NULL for one that has ended meanwhile.
static struct container *find_container(uint32_t id) {
    struct container *found = containers;
    while (found != NULL && found->id != id) found = found->next;
    return found;
}

static void on_signal(uint32_t id, uint8_t *payload, size_t length) {
    uint32_t signal;
    struct container *container = find_container(id);
    if (container == NULL || length != sizeof signal) return;
    memcpy(&signal, payload, sizeof signal);
    send_signal(&container->child, signal);
}

// What the container writes to, ended by NUL, then the rest of its operations.
static void on_rest(uint32_t id, uint8_t *payload, size_t length) {
    struct container *container = find_container(id);
    const uint8_t *end = memchr(payload, '\0', length);
    if (container == NULL || end == NULL) return;
    if (container->child.rest == -1 || container->child.told) return;
    if (payload[0] != '\0') container->written = strdup((char *)payload);
    send_rest(&container->child, end + 1, payload + length - (end + 1));
}

void kill_containers(void) {
    // One that became another user does not notice that we end.
    for (struct container *each = containers; each != NULL; each = each->next)
        send_signal(&each->child, SIGKILL);
}

const struct request_type CONTAINER_REQUESTS[] = {
    {ASK_RUN, on_run}, {ASK_SIGNAL, on_signal}, {ASK_REST, on_rest}, {0, NULL}};
