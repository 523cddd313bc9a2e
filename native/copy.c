// Copies a file, or what is in a directory, with all that belongs to it.
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "beneath.h"
#include "data.h"
#include "files.h"
#include "transfer.h"

// A file with several names that was copied: its other names become links.
struct copied {
    dev_t device;
    ino_t inode;
    char *path;
    struct copied *next;
};

enum { BUCKETS = 4096 };

struct copies {
    struct copied *buckets[BUCKETS];
};

static struct copied *find_copied(struct copies *copies, const struct stat *stats) {
    struct copied *each = copies->buckets[stats->st_ino % BUCKETS];
    while (each != NULL && (each->device != stats->st_dev || each->inode != stats->st_ino)) each = each->next;
    return each;
}

static void note_copied(struct copies *copies, const struct stat *stats, const char *path) {
    struct copied *copied = malloc(sizeof *copied);
    char *own = strdup(path);
    if (copied == NULL || own == NULL) _exit(1);
    struct copied **bucket = &copies->buckets[stats->st_ino % BUCKETS];
    *copied = (struct copied){stats->st_dev, stats->st_ino, own, *bucket};
    *bucket = copied;
}

struct copies *begin_copies(void) {
    struct copies *copies = calloc(1, sizeof *copies);
    if (copies == NULL) _exit(1);
    return copies;
}

void end_copies(struct copies *copies) {
    for (int index = 0; index < BUCKETS; index++) {
        for (struct copied *each = copies->buckets[index], *next; each != NULL; each = next) {
            next = each->next;
            free(each->path);
            free(each);
        }
    }
    free(copies);
}

static bool link_copied(struct transfer *transfer, const char *path, const char *name) {
    const char *slash = strrchr(path, '/');
    char *parent = strndup(path, slash == NULL ? 0 : slash - path);
    if (parent == NULL) _exit(1);
    int directory = open_beneath(transfer->into, parent, O_PATH);
    free(parent);
    if (directory == -1) return false;
    bool done = linkat(directory, slash == NULL ? path : slash + 1, transfer->target, name, 0) == 0;
    int error = errno;
    close(directory);
    errno = error;
    return done;
}

static bool copy_link(int target, const char *from, const char *name, size_t size) {
    char *text = malloc(size + 1);
    if (text == NULL) _exit(1);
    ssize_t length = readlink(from, text, size + 1);
    bool done = length != -1;
    if (done && (size_t)length > size) {
        // It has become another one meanwhile.
        errno = ESTALE;
        done = false;
    }
    if (done) {
        text[length] = 0;
        done = symlinkat(text, target, name) == 0;
    }
    int error = errno;
    free(text);
    errno = error;
    return done;
}

static bool copy_file(int target, const char *from, const char *name) {
    int source = open(from, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (source == -1) return false;
    int copy = openat(target, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool done = copy != -1 && copy_data(source, copy);
    int error = errno;
    close(source);
    if (copy != -1) close(copy);
    errno = error;
    return done;
}

static bool make_copy(int target, const char *from, const char *name, const struct stat *stats, bool plain) {
    // What is there is replaced, never written through: all but a directory.
    if (unlinkat(target, name, 0) == -1 && errno != ENOENT) return false;
    bool made = false;
    if (S_ISREG(stats->st_mode)) made = copy_file(target, from, name);
    else if (S_ISLNK(stats->st_mode)) made = copy_link(target, from, name, stats->st_size);
    else made = mknodat(target, name, (stats->st_mode & S_IFMT) | 0600, stats->st_rdev) == 0;
    return made && copy_attributes(from, stats, target, name, plain);
}

bool put_copy(struct transfer *transfer, const char *name) {
    struct copies *copies = transfer->context;
    struct stat stats;
    if (lstat(name, &stats) == -1) return false;
    if (stats.st_nlink > 1) {
        const struct copied *copied = find_copied(copies, &stats);
        if (copied != NULL) {
            if (unlinkat(transfer->target, name, 0) == -1 && errno != ENOENT) return false;
            return link_copied(transfer, copied->path, name);
        }
        note_copied(copies, &stats, transfer->path);
    }
    return make_copy(transfer->target, name, name, &stats, transfer->plain);
}

static void copy_directory(struct answer *answer, int from, int into, const char *target) {
    struct copies *copies = begin_copies();
    struct transfer transfer = {.into = into, .put = put_copy, .merges = true, .context = copies};
    const char *call;
    char *at;
    if (transfer_tree(&transfer, from, target, &call, &at)) tell_done(answer);
    else tell_failed(answer, call, at, errno);
    free(at);
    end_copies(copies);
}

// The source's directory is the working directory.
static void copy_one(struct answer *answer, const char *from, int into, const char *target,
                     const struct stat *stats) {
    const char *name = strrchr(target, '/');
    name = name == NULL ? target : name + 1;
    char *parent = strndup(target, name == target ? 0 : name - target - 1);
    if (parent == NULL) _exit(1);
    int directory = open_beneath(into, parent, O_PATH);
    if (directory == -1) tell_failed(answer, "open", parent, errno);
    else if (make_copy(directory, from, name, stats, false)) tell_done(answer);
    else tell_failed(answer, "copy", target, errno);
    if (directory != -1) close(directory);
    free(parent);
}

static void copy_into(struct answer *answer, int root, const char *path, int into, const char *target) {
    struct stat stats;
    const char *name = enter_parent(root, path);
    if (name == NULL || lstat(name, &stats) == -1) return tell_failed(answer, "lstat", path, errno);
    if (!S_ISDIR(stats.st_mode)) return copy_one(answer, name, into, target, &stats);
    int from = open(name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (from == -1) return tell_failed(answer, "open", path, errno);
    copy_directory(answer, from, into, target);
    close(from);
}

// Root and path of the source, root and path of the target. A directory's content goes into the
// directory that the target is; anything else gets the target's name.
void copy_tree(struct request *request, struct answer *answer) {
    const char *from, *path, *into, *target;
    if (!take_text(request, &from) || !take_text(request, &path) || !take_text(request, &into) ||
        !take_text(request, &target) || !is_empty(request))
        return tell_malformed(answer);
    int source = open_root(from);
    if (source == -1) return tell_failed(answer, "open", from, errno);
    int directory = open_root(into);
    if (directory == -1) tell_failed(answer, "open", into, errno);
    else {
        copy_into(answer, source, path, directory, target);
        close(directory);
    }
    close(source);
}
