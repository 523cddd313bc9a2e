#include "walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// So many directories stay open at most; those above them are found again by "..".
enum { KEPT_OPEN = 16, ENTRY_BYTES = 64 << 10 };

// A directory whose entries are visited, while the directories among them are entered.
struct level {
    // -1 where it is not kept open.
    int descriptor;
    dev_t device;
    ino_t inode;
    size_t path_length;
    // Names of directories that are still to be entered, each ended by NUL.
    char *names;
    size_t at, length, capacity;
};

struct levels {
    struct level *items;
    size_t count, capacity;
    // That of the root.
    uint64_t mount;
    size_t path_capacity;
    char *entries;
};

static void *grow(void *bytes, size_t *capacity, size_t wanted, size_t size) {
    if (wanted <= *capacity) return bytes;
    *capacity = 2 * wanted;
    bytes = realloc(bytes, *capacity * size);
    // Nothing sensible can be done, and wiac says that we have ended.
    if (bytes == NULL) _exit(1);
    return bytes;
}

static void set_path(struct walk *walk, struct levels *levels, size_t parent, const char *name) {
    size_t length = strlen(name);
    walk->path = grow(walk->path, &levels->path_capacity, parent + length + 2, 1);
    size_t start = parent == 0 ? 0 : parent + 1;
    if (parent > 0) walk->path[parent] = '/';
    memcpy(walk->path + start, name, length + 1);
    walk->path_length = start + length;
    walk->name = walk->path + start;
}

static void add_name(struct level *level, const char *name) {
    size_t length = strlen(name) + 1;
    level->names = grow(level->names, &level->capacity, level->length + length, 1);
    memcpy(level->names + level->length, name, length);
    level->length += length;
}

static bool fail(struct walk *walk, const char *call) {
    walk->call = call;
    return false;
}

static bool has_vanished(const struct walk *walk) {
    return walk->may_vanish && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP);
}

static bool visit_entry(struct walk *walk, struct level *level, const char *name, unsigned char type) {
    if (type == DT_UNKNOWN) {
        struct stat stats;
        if (lstat(name, &stats) == -1) return has_vanished(walk) || fail(walk, "lstat");
        type = IFTODT(stats.st_mode);
    }
    if (!walk->visit(walk, type)) return false;
    if (type == DT_DIR) add_name(level, name);
    return true;
}

static bool visit_entries(struct walk *walk, struct levels *levels, struct level *level, int directory) {
    for (;;) {
        ssize_t length = getdents64(directory, levels->entries, ENTRY_BYTES);
        if (length == -1) return has_vanished(walk) || fail(walk, "getdents64");
        if (length == 0) return true;
        for (ssize_t at = 0; at < length;) {
            const struct entry *entry = (const struct entry *)(levels->entries + at);
            at += entry->size;
            if (strcmp(entry->name, ".") == 0 || strcmp(entry->name, "..") == 0) continue;
            set_path(walk, levels, level->path_length, entry->name);
            if (!visit_entry(walk, level, entry->name, entry->type)) return false;
        }
    }
}

// Another mount than the root's: overlayfs does not show what is there.
static bool is_elsewhere(struct levels *levels, int directory) {
    struct statx stats;
    if (statx(directory, "", AT_EMPTY_PATH, STATX_MNT_ID, &stats) == -1) return false;
    if (levels->count == 0) levels->mount = stats.stx_mnt_id;
    return stats.stx_mnt_id != levels->mount;
}

// Enters the directory of `walk->path`, which the working directory holds, and visits its entries.
static bool enter(struct walk *walk, struct levels *levels) {
    int directory = openat(AT_FDCWD, walk->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (directory == -1) return has_vanished(walk) || fail(walk, "open");
    if (walk->stays && is_elsewhere(levels, directory)) {
        close(directory);
        return true;
    }
    struct stat stats;
    if (fstat(directory, &stats) == -1 || fchdir(directory) == -1) {
        close(directory);
        return fail(walk, "fchdir");
    }
    levels->items = grow(levels->items, &levels->capacity, levels->count + 1, sizeof *levels->items);
    struct level *level = &levels->items[levels->count];
    *level = (struct level){.descriptor = levels->count < KEPT_OPEN ? directory : -1,
                            .device = stats.st_dev,
                            .inode = stats.st_ino,
                            .path_length = levels->count == 0 ? 0 : walk->path_length};
    levels->count++;
    walk->depth = levels->count - 1;
    bool done = (walk->enter == NULL || walk->enter(walk)) &&
                visit_entries(walk, levels, level, directory);
    if (level->descriptor == -1) close(directory);
    return done;
}

// Makes the directory above the working directory the working directory. One that was moved
// elsewhere meanwhile has another one above it: nothing there is ours.
static bool go_up(const struct level *above) {
    if (above->descriptor != -1) return fchdir(above->descriptor) == 0;
    struct stat stats;
    if (chdir("..") == -1 || stat(".", &stats) == -1) return false;
    if (stats.st_dev == above->device && stats.st_ino == above->inode) return true;
    errno = ESTALE;
    return false;
}

static void pop(struct levels *levels) {
    struct level *level = &levels->items[--levels->count];
    if (level->descriptor != -1) close(level->descriptor);
    free(level->names);
}

static bool leave(struct walk *walk, struct levels *levels) {
    struct level *level = &levels->items[levels->count - 1];
    walk->path[level->path_length] = 0;
    walk->path_length = level->path_length;
    walk->depth = levels->count - 1;
    if (walk->leave != NULL && !walk->leave(walk)) return false;
    pop(levels);
    if (levels->count == 0) return true;
    return go_up(&levels->items[levels->count - 1]) || fail(walk, "chdir");
}

static bool step(struct walk *walk, struct levels *levels) {
    struct level *level = &levels->items[levels->count - 1];
    if (level->at == level->length) return leave(walk, levels);
    const char *name = level->names + level->at;
    level->at += strlen(name) + 1;
    set_path(walk, levels, level->path_length, name);
    return enter(walk, levels);
}

static bool begin(struct walk *walk, struct levels *levels, int root) {
    set_path(walk, levels, 0, "");
    walk->name = ".";
    if (fchdir(root) == -1) return fail(walk, "fchdir");
    return walk->visit(walk, DT_DIR) && enter(walk, levels);
}

bool walk_from(struct walk *walk, int root) {
    struct levels levels = {.entries = malloc(ENTRY_BYTES)};
    if (levels.entries == NULL) _exit(1);
    bool done = begin(walk, &levels, root);
    while (done && levels.count > 0) done = step(walk, &levels);
    int error = errno;
    while (levels.count > 0) pop(&levels);
    free(levels.items);
    free(levels.entries);
    errno = error;
    return done;
}
