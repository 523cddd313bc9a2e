#include "relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "operations.h"
#include "process.h"
#include "terminal.h"

enum { RELAY_BYTES = 64 << 10, MAX_RELAYS = 4, SECOND = 1000 };

// Passes on what can be read `from` one descriptor `to` another.
static struct relay {
    int from, to;
    // From the caller's keyboard.
    bool keys;
    bool is_pipe;
    size_t start, end;
    char data[RELAY_BYTES];
} relays[MAX_RELAYS];
static int count;

static int lost;

bool is_relaying(void) { return count > 0; }

int lost_output(void) { return lost; }

static void add_relay(int from, int to, bool keys, bool is_pipe) {
    struct relay *relay = &relays[count++];
    *relay = (struct relay){.from = from, .to = to, .keys = keys, .is_pipe = is_pipe};
}

// Pipes of ours, by the file that they lead to.
static struct {
    dev_t device;
    ino_t inode;
    int writing;
} pipes[2];
static int pipe_count;

static int pipe_to(int caller) {
    struct stat file;
    if (fstat(caller, &file) == -1) return -1;
    for (int index = 0; index < pipe_count; index++)
        if (pipes[index].device == file.st_dev && pipes[index].inode == file.st_ino)
            return pipes[index].writing;
    int ends[2];
    if (!make_output_pipe(ends)) return -1;
    add_relay(ends[0], caller, false, true);
    pipes[pipe_count].device = file.st_dev;
    pipes[pipe_count].inode = file.st_ino;
    return pipes[pipe_count++].writing = ends[1];
}

static bool is_fifo(int stream) {
    struct stat file;
    return fstat(stream, &file) == 0 && S_ISFIFO(file.st_mode);
}

static bool is_used(int descriptor) {
    for (int index = 0; index < count; index++)
        if (relays[index].from == descriptor || relays[index].to == descriptor) return true;
    return false;
}

static int first_terminal(const int caller[3]) {
    static const int order[] = {STDOUT_FILENO, STDERR_FILENO, STDIN_FILENO};
    for (int index = 0; index < 3; index++)
        if (isatty(caller[order[index]])) return caller[order[index]];
    return -1;
}

bool relay_streams(char **operands) {
    bool always = strcmp(operands[3], "1") == 0, has_keys = isatty(STDIN_FILENO);
    int caller[3], slave = -1;
    for (int stream = 0; stream < 3; stream++) {
        caller[stream] = fcntl(stream, F_DUPFD_CLOEXEC, FIRST_FREE);
        if (caller[stream] == -1) return false;
    }
    int screen = first_terminal(caller), shown = has_keys ? caller[STDIN_FILENO] : screen;
    if (screen != -1 || always) {
        int master = open_terminal(shown, operands[0], operands[1], number(operands[2]), &slave);
        if (master == -1) return false;
        add_relay(master, always ? caller[STDOUT_FILENO] : screen, false, false);
        if (has_keys) add_relay(caller[STDIN_FILENO], master, true, false);
    }
    if ((always || has_keys) && dup2(slave, STDIN_FILENO) == -1) return false;
    for (int stream = STDOUT_FILENO; stream <= STDERR_FILENO; stream++) {
        if (is_fifo(stream) && !always) continue;
        int to = always || isatty(stream) ? slave : pipe_to(caller[stream]);
        if (to == -1 || dup2(to, stream) == -1) return false;
    }
    for (int index = 0; index < pipe_count; index++) close(pipes[index].writing);
    if (slave != -1) close(slave);
    for (int stream = 0; stream < 3; stream++)
        if (caller[stream] != shown && !is_used(caller[stream])) close(caller[stream]);
    return true;
}

static bool write_rest(struct relay *relay) {
    ssize_t written = write(relay->to, relay->data + relay->start, relay->end - relay->start);
    if (written >= 0) {
        relay->start += written;
        return true;
    }
    if (errno == EINTR || errno == EAGAIN) return true;
    // A reader that has seen enough is no failure; the program notices it as we do.
    if (lost == 0 && errno != EPIPE && !relay->keys) lost = errno;
    return false;
}

static bool read_more(struct relay *relay) {
    ssize_t length = read(relay->from, relay->data, sizeof relay->data);
    if (length == -1) return errno == EINTR || errno == EAGAIN;
    relay->start = 0;
    relay->end = length;
    return length > 0;
}

static bool has_data(const struct relay *relay) { return relay->start < relay->end; }

// The program notices that nobody reads, and the caller that nobody writes.
static void remove_relay(int index) {
    struct relay removed = {.from = relays[index].from, .to = relays[index].to,
                            .is_pipe = relays[index].is_pipe};
    count--;
    if (index < count) memmove(&relays[index], &relays[index + 1], (count - index) * sizeof *relays);
    if (!removed.is_pipe) return;
    close(removed.from);
    if (!is_used(removed.to) && !isatty(removed.to)) close(removed.to);
}

static void remove_keys(void) {
    for (int index = count - 1; index >= 0; index--)
        if (relays[index].keys) remove_relay(index);
}

// Somebody outside of the container may hold a pipe open for longer than it lasts: whatever its
// processes wrote is in it by then.
void relay(int process) {
    bool has_ended = false;
    if (is_relaying())
        for (int stream = 0; stream < 3; stream++) close(stream);
    while (count > 0 || !has_ended) {
        struct pollfd polls[MAX_RELAYS + 1];
        bool is_pending = false, is_unheard = false;
        int polled = count;
        for (int index = 0; index < polled; index++) {
            struct relay *relay = &relays[index];
            if (has_data(relay)) {
                polls[index] = (struct pollfd){.fd = relay->to, .events = POLLOUT};
                is_pending = true;
            } else {
                bool is_heard = !relay->keys || listen_to_keys();
                polls[index] = (struct pollfd){.fd = is_heard ? relay->from : -1, .events = POLLIN};
                is_unheard |= !is_heard;
            }
        }
        polls[polled] = (struct pollfd){.fd = has_ended ? -1 : process, .events = POLLIN};
        // A process gets no signal when it comes to the foreground.
        int timeout = has_ended && !is_pending ? 0 : is_unheard ? SECOND : -1;
        if (poll(polls, polled + 1, timeout) <= 0) {
            if (has_ended && !is_pending) return;
            continue;
        }
        for (int index = polled - 1; index >= 0; index--) {
            if (polls[index].revents == 0) continue;
            struct relay *relay = &relays[index];
            if (!(has_data(relay) ? write_rest(relay) : read_more(relay))) remove_relay(index);
        }
        if (!has_ended && polls[polled].revents != 0) {
            has_ended = true;
            remove_keys();
        }
    }
}
