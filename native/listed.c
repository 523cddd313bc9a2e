#include "listed.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "beneath.h"

enum outcome { DONE, TOLD };

static bool is_gone(int error) { return error == ENOENT || error == ENOTDIR || error == ELOOP; }

static enum outcome enter(struct listed *listed, int root, const char *path) {
    int directory = open_beneath(root, path, O_PATH);
    listed->gone = directory == -1 && is_gone(errno);
    if (listed->gone) return DONE;
    if (directory == -1) return tell_failed(listed->answer, "open", path, errno), TOLD;
    bool entered = fchdir(directory) == 0;
    int error = errno;
    close(directory);
    if (!entered) tell_failed(listed->answer, "fchdir", path, error);
    return entered ? DONE : TOLD;
}

static bool is_one_name(const char *name) {
    return strchr(name, '/') == NULL && strcmp(name, "..") != 0;
}

static void take_directories(struct request *request, struct listed *listed, int root) {
    const char *path, *name;
    uint32_t count;
    while (!is_empty(request)) {
        if (!take_text(request, &path) || !take_number(request, &count))
            return tell_malformed(listed->answer);
        if (enter(listed, root, path) == TOLD) return;
        for (; count > 0; count--, listed->number++) {
            if (!take_text(request, &name) || !is_one_name(name)) return tell_malformed(listed->answer);
            if (!listed->put(listed, name)) return tell_failed(listed->answer, listed->call, name, errno);
            end_record(listed->answer);
        }
    }
    tell_done(listed->answer);
}

void take_listed(struct request *request, struct listed *listed) {
    const char *path;
    if (!take_text(request, &path)) return tell_malformed(listed->answer);
    int root = open_root(path);
    if (root == -1) return tell_failed(listed->answer, "open", path, errno);
    take_directories(request, listed, root);
    close(root);
}
