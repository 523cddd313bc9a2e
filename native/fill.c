// Copies regular files of directories into directories that are there.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "beneath.h"
#include "data.h"
#include "files.h"
#include "open-file.h"

// What a copy gets, and what its source was when wiac read it. In a request it has this form.
struct wanted {
    uint64_t size;
    uint32_t mode, uid, gid;
    // The copy may be another name of the source, where the file system allows that.
    uint32_t may_link;
    uint8_t digest[SHA256_BYTES];
};

// Of a file in an answer: it is no regular file, or can't be read; its copy has another content.
enum { NOT_COPIED = 0, CHANGED = 1 };

struct fill {
    struct answer *answer;
    int from, into;
    // The sources may change: what is copied is digested.
    bool changes;
    uint32_t number;
    // Bytes that the copies take; how many are other names of their sources, and what those take.
    uint64_t disk, linked, linked_disk;
    const char *call;
};

static uint64_t get_disk(const struct stat *stats) { return (uint64_t)stats->st_blocks * 512; }

// False where it has to be copied: a file has as many names as the file system allows, say.
static bool link_one(struct fill *fill, int from, const char *name, int into, const char *target) {
    struct stat stats;
    if (from == -1 || fstatat(from, name, &stats, AT_SYMLINK_NOFOLLOW) == -1 || !S_ISREG(stats.st_mode) ||
        linkat(from, name, into, target, 0) == -1)
        return false;
    fill->linked++;
    fill->linked_disk += get_disk(&stats);
    return true;
}

// What is there is replaced, never written through.
static int make_file(int directory, const char *name) {
    int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    int file = openat(directory, name, flags, 0600);
    if (file == -1 && errno == EEXIST && unlinkat(directory, name, 0) == 0)
        file = openat(directory, name, flags, 0600);
    return file;
}

static bool finish(struct fill *fill, int copy, const struct stat *source, const struct wanted *wanted) {
    struct timespec times[] = {source->st_mtim, source->st_mtim};
    struct stat stats;
    fill->call = "chown";
    if (wanted->uid != (uint32_t)-1 && fchown(copy, wanted->uid, wanted->gid) == -1) return false;
    // chown takes setuid and setgid away.
    fill->call = "chmod";
    if (fchmod(copy, wanted->mode) == -1) return false;
    fill->call = "utime";
    if (futimens(copy, times) == -1 || fstat(copy, &stats) == -1) return false;
    fill->disk += get_disk(&stats);
    return true;
}

static void tell_other(struct fill *fill, uint32_t outcome, const struct content *content) {
    put_number(fill->answer, fill->number);
    put_number(fill->answer, outcome);
    put_large(fill->answer, content->size);
    put_bytes(fill->answer, content->digest, sizeof content->digest);
    end_record(fill->answer);
}

static bool copy_content(struct fill *fill, int source, const struct stat *stats, int copy,
                         const struct wanted *wanted) {
    struct content content;
    fill->call = "copy";
    if (!fill->changes) return copy_data(source, copy);
    if (!read_data(source, stats, copy, &content)) return false;
    if (content.size != wanted->size || memcmp(content.digest, wanted->digest, SHA256_BYTES) != 0)
        tell_other(fill, CHANGED, &content);
    return true;
}

static bool copy_one(struct fill *fill, int from, const char *name, int into, const char *target,
                     const struct wanted *wanted) {
    struct stat stats;
    if (wanted->may_link && link_one(fill, from, name, into, target)) return true;
    int source = from == -1 ? -1 : open_regular(from, name, &stats);
    if (source == -1) return tell_other(fill, NOT_COPIED, &(struct content){0}), true;
    fill->call = "open";
    int copy = make_file(into, target);
    bool done = copy != -1 && copy_content(fill, source, &stats, copy, wanted) &&
                finish(fill, copy, &stats, wanted);
    int error = errno;
    close(source);
    if (copy != -1) close(copy);
    errno = error;
    return done;
}

static void fail(struct fill *fill, const char *directory, const char *name) {
    int error = errno;
    char *path;
    if (asprintf(&path, "%s%s%s", directory, directory[0] == 0 ? "" : "/", name) == -1) _exit(1);
    tell_failed(fill->answer, fill->call, path, error);
    free(path);
}

static bool is_one_name(const char *name) {
    return name[0] != 0 && strchr(name, '/') == NULL && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

enum outcome { DONE, TOLD };

// Names of the sources and of their copies, then for each a struct wanted.
static enum outcome take_files(struct fill *fill, struct request *request, int from, int into,
                               const char *directory) {
    uint32_t count, bytes;
    const uint8_t *wanted;
    if (!take_number(request, &count) || !take_bytes(request, &wanted, &bytes) ||
        bytes != (uint64_t)count * sizeof(struct wanted))
        return tell_malformed(fill->answer), TOLD;
    for (; count > 0; count--, fill->number++, wanted += sizeof(struct wanted)) {
        const char *name, *target;
        struct wanted each;
        memcpy(&each, wanted, sizeof each);
        if (!take_text(request, &name) || !take_text(request, &target) || !is_one_name(name) ||
            !is_one_name(target))
            return tell_malformed(fill->answer), TOLD;
        if (!copy_one(fill, from, name, into, target, &each)) return fail(fill, directory, target), TOLD;
    }
    return DONE;
}

// Path of a directory of the source, and of one of the target.
static enum outcome take_directory(struct fill *fill, struct request *request) {
    const char *from, *into;
    if (!take_text(request, &from) || !take_text(request, &into))
        return tell_malformed(fill->answer), TOLD;
    // Another process may have removed the source.
    int source = open_beneath(fill->from, from, O_PATH);
    int target = open_beneath(fill->into, into, O_PATH);
    enum outcome outcome = TOLD;
    if (target == -1) tell_failed(fill->answer, "open", into, errno);
    else outcome = take_files(fill, request, source, target, into);
    if (source != -1) close(source);
    if (target != -1) close(target);
    return outcome;
}

static void take_all(struct fill *fill, struct request *request) {
    while (!is_empty(request))
        if (take_directory(fill, request) == TOLD) return;
    end_records(fill->answer);
    put_large(fill->answer, fill->disk);
    put_large(fill->answer, fill->linked);
    put_large(fill->answer, fill->linked_disk);
    tell_done(fill->answer);
}

// Path of the root of the sources, path of that of the copies, whether the sources may change; then the
// directories.
void fill_directories(struct request *request, struct answer *answer) {
    struct fill fill = {.answer = answer, .call = "open"};
    const char *from, *into;
    uint32_t changes;
    if (!take_text(request, &from) || !take_text(request, &into) || !take_number(request, &changes))
        return tell_malformed(answer);
    fill.changes = changes != 0;
    fill.from = open_root(from);
    if (fill.from == -1) return tell_failed(answer, "open", from, errno);
    fill.into = open_root(into);
    if (fill.into == -1) tell_failed(answer, "open", into, errno);
    else {
        take_all(&fill, request);
        close(fill.into);
    }
    close(fill.from);
}
