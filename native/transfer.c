#include "transfer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "beneath.h"
#include "walk.h"

// The path of the walk's entry below `into`.
static const char *target_path(struct transfer *transfer, const struct walk *walk) {
    size_t wanted = transfer->prefix_length + walk->path_length + 2;
    if (wanted > transfer->capacity) {
        transfer->capacity = 2 * wanted;
        transfer->path = realloc(transfer->path, transfer->capacity);
        // Nothing sensible can be done, and wiac says that we have ended.
        if (transfer->path == NULL) _exit(1);
    }
    size_t at = transfer->prefix_length;
    if (at > 0 && walk->path_length > 0) transfer->path[at++] = '/';
    memcpy(transfer->path + at, walk->path, walk->path_length + 1);
    return transfer->path;
}

static bool open_target(struct transfer *transfer, struct walk *walk) {
    if (transfer->target != -1) close(transfer->target);
    walk->call = "open";
    transfer->target = open_beneath(transfer->into, target_path(transfer, walk), O_RDONLY);
    return transfer->target != -1;
}

static bool enter(struct walk *walk) {
    struct transfer *transfer = walk->context;
    struct stat stats;
    walk->call = "stat";
    if (stat(".", &stats) == -1) return false;
    if (stats.st_dev == transfer->device && stats.st_ino == transfer->inode) {
        errno = EINVAL;
        return false;
    }
    return open_target(transfer, walk);
}

static bool make_directory(struct transfer *transfer, const char *name) {
    // Its mode comes when it is full.
    if (mkdirat(transfer->target, name, 0700) == 0) return true;
    if (!transfer->merges || errno != EEXIST) return false;
    struct stat stats;
    if (fstatat(transfer->target, name, &stats, AT_SYMLINK_NOFOLLOW) == -1) return false;
    if (S_ISDIR(stats.st_mode)) return true;
    errno = ENOTDIR;
    return false;
}

static bool visit(struct walk *walk, unsigned char type) {
    struct transfer *transfer = walk->context;
    // The root is there.
    if (walk->path_length == 0) return true;
    transfer->count++;
    if (type == DT_DIR) {
        walk->call = "mkdir";
        return make_directory(transfer, walk->name);
    }
    walk->call = "copy";
    target_path(transfer, walk);
    return transfer->put(transfer, walk->name);
}

// Nothing in the directory changes any more.
static bool leave(struct walk *walk) {
    struct transfer *transfer = walk->context;
    struct stat stats;
    if (!open_target(transfer, walk)) return false;
    walk->call = "chmod";
    return stat(".", &stats) == 0 && copy_attributes(".", &stats, transfer->target, ".", transfer->plain);
}

bool transfer_tree(struct transfer *transfer, int from, const char *prefix, const char **call, char **path) {
    struct walk walk = {.enter = enter, .visit = visit, .leave = leave, .context = transfer};
    struct stat stats;
    transfer->prefix_length = strlen(prefix);
    transfer->capacity = transfer->prefix_length + 1;
    transfer->path = malloc(transfer->capacity);
    if (transfer->path == NULL) _exit(1);
    memcpy(transfer->path, prefix, transfer->capacity);
    transfer->target = open_beneath(transfer->into, prefix, O_RDONLY);
    bool done = transfer->target != -1 && fstat(transfer->target, &stats) == 0;
    if (done) {
        transfer->device = stats.st_dev;
        transfer->inode = stats.st_ino;
        done = walk_from(&walk, from);
    }
    int error = errno;
    *call = walk.call != NULL ? walk.call : "open";
    *path = walk.path != NULL ? walk.path : strdup("");
    if (transfer->target != -1) close(transfer->target);
    free(transfer->path);
    errno = error;
    return done;
}
