// Puts some files of a file system on disk, without waiting for those that others have written.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "beneath.h"
#include "files.h"
#include "walk.h"

// The data of one file. Where there is none left to be written this takes a microsecond.
static bool write_back(struct walk *walk, unsigned char type) {
    if (type != DT_REG) return true;
    const unsigned *how = walk->context;
    walk->call = "open";
    int file = open(walk->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (file == -1) return errno == ENOENT;
    walk->call = "sync_file_range";
    bool done = sync_file_range(file, 0, 0, *how) == 0;
    int error = errno;
    close(file);
    errno = error;
    return done;
}

// The files at a path, which may be one. What is not there any more has been removed, and needs nothing.
static bool write_back_tree(struct walk *walk, int root, const char *path) {
    walk->call = "open";
    const char *name = enter_parent(root, path);
    if (name == NULL) return errno == ENOENT;
    struct stat stats;
    if (lstat(name, &stats) == -1) return errno == ENOENT;
    walk->name = name;
    if (!S_ISDIR(stats.st_mode)) return write_back(walk, IFTODT(stats.st_mode));
    int directory = open_beneath(root, path, O_RDONLY);
    if (directory == -1) return errno == ENOENT;
    bool done = walk_from(walk, directory);
    int error = errno;
    close(directory);
    errno = error;
    return done;
}

// A journal has one order for all of a file system: when a new directory is on disk, so is every change of names,
// sizes and blocks that was made before it.
static bool commit_journal(int root, const char *path) {
    const char *name = enter_parent(root, path);
    if (name == NULL || mkdir(name, 0700) == -1) return false;
    int directory = open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool done = directory != -1 && fsync(directory) == 0;
    int error = errno;
    if (directory != -1) close(directory);
    rmdir(name);
    errno = error;
    return done;
}

static bool sync_paths(struct walk *walk, int root, struct request paths) {
    const char *path;
    while (take_text(&paths, &path))
        if (!write_back_tree(walk, root, path)) return false;
    return true;
}

// Root, path of a directory that is made for a moment, paths of files and trees. On file systems with a journal
// that writes the data of a file before it says how long that is, and no others (ext4, XFS).
void sync_trees(struct request *request, struct answer *answer) {
    const char *root_path, *moment;
    if (!take_text(request, &root_path) || !take_text(request, &moment)) return tell_malformed(answer);
    int root = open_root(root_path);
    if (root == -1) return tell_failed(answer, "open", root_path, errno);
    // All begin to be written before one is waited for.
    unsigned begin = SYNC_FILE_RANGE_WRITE;
    unsigned end = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
    struct walk walk = {.visit = write_back, .context = &begin, .may_vanish = true};
    bool done = sync_paths(&walk, root, *request);
    walk.context = &end;
    done = done && sync_paths(&walk, root, *request);
    if (!done) tell_failed(answer, walk.call, walk.path == NULL ? "" : walk.path, errno);
    else if (!commit_journal(root, moment)) tell_failed(answer, "fsync", moment, errno);
    else tell_done(answer);
    free(walk.path);
    close(root);
}
