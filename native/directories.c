// What is in many directories: names, in the order of trees, and what lstat says of them.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "beneath.h"
#include "files.h"
#include "milliseconds.h"
#include "walk.h"

// Of each name, in doubles, as src/fs/scan/stat-names.ts has them: what fingerprints are made of, and the rest.
enum { FIELDS = 8, OTHERS = 5, ENTRY_BYTES = 64 << 10 };

static const uint32_t GONE = (uint32_t)-1;

// Grows, and is used again for each directory.
struct buffer {
    void *bytes;
    size_t capacity;
};

struct listing {
    struct answer *answer;
    int root;
    struct buffer entries, names, places, fields, others, accessed;
};

static void *make_room(struct buffer *buffer, size_t wanted) {
    if (wanted <= buffer->capacity) return buffer->bytes;
    buffer->capacity = 2 * wanted;
    buffer->bytes = realloc(buffer->bytes, buffer->capacity);
    // Nothing sensible can be done, and wiac says that we have ended.
    if (buffer->bytes == NULL) _exit(1);
    return buffer->bytes;
}

// In UTF-16, where JavaScript compares, U+E000 to U+FFFF come after what takes two units. In UTF-8 those begin
// with 0xee and 0xef, these with 0xf0 to 0xf4.
static int get_rank(uint8_t byte) { return byte == 0xee || byte == 0xef ? byte + 0x10 : byte; }

static int compare_names(const void *a, const void *b, void *names) {
    const uint8_t *first = (const uint8_t *)names + *(const size_t *)a;
    const uint8_t *second = (const uint8_t *)names + *(const size_t *)b;
    while (*first == *second && *first != 0) first++, second++;
    return get_rank(*first) - get_rank(*second);
}

static bool is_own(const char *name) { return strcmp(name, ".") == 0 || strcmp(name, "..") == 0; }

// Names, each ended by NUL, and where each begins. Returns how many, or -1 with errno.
static ssize_t read_names(struct listing *listing, int directory) {
    char *entries = make_room(&listing->entries, ENTRY_BYTES);
    size_t count = 0, length = 0;
    ssize_t read;
    while ((read = getdents64(directory, entries, ENTRY_BYTES)) > 0) {
        for (ssize_t at = 0; at < read;) {
            const struct entry *entry = (const struct entry *)(entries + at);
            at += entry->size;
            if (is_own(entry->name)) continue;
            size_t size = strlen(entry->name) + 1;
            memcpy((char *)make_room(&listing->names, length + size) + length, entry->name, size);
            ((size_t *)make_room(&listing->places, (count + 1) * sizeof(size_t)))[count] = length;
            length += size;
            count++;
        }
    }
    if (read == -1) return -1;
    if (count > 1)
        qsort_r(listing->places.bytes, count, sizeof(size_t), compare_names, listing->names.bytes);
    return count;
}

static void set_numbers(double *fields, double *others, const struct stat *stats) {
    // A directory's size and mtime tell of its entries, which are looked at one by one anyway.
    bool is_directory = S_ISDIR(stats->st_mode);
    double own[FIELDS] = {stats->st_mode & 07777,
                          stats->st_ino,
                          stats->st_dev,
                          milliseconds(stats->st_ctim),
                          is_directory ? 0 : stats->st_size,
                          is_directory ? 0 : milliseconds(stats->st_mtim),
                          stats->st_uid,
                          stats->st_gid};
    double rest[OTHERS] = {stats->st_mode, stats->st_size, milliseconds(stats->st_mtim),
                           stats->st_nlink, stats->st_rdev};
    memcpy(fields, own, sizeof own);
    memcpy(others, rest, sizeof rest);
}

// A record: how many names, bytes of the names, the names, their numbers, and when each was read last. What vanishes meanwhile is left out.
// False with errno.
static bool put_directory(struct listing *listing, int directory) {
    struct answer *answer = listing->answer;
    ssize_t found = read_names(listing, directory);
    if (found == -1) return false;
    double *fields = make_room(&listing->fields, (found + 1) * FIELDS * sizeof(double));
    double *others = make_room(&listing->others, (found + 1) * OTHERS * sizeof(double));
    double *accessed = make_room(&listing->accessed, (found + 1) * sizeof(double));
    size_t count_at = leave_number(answer), length_at = leave_number(answer), begin = answer->length;
    uint32_t count = 0;
    for (ssize_t index = 0; index < found; index++) {
        const char *name = (char *)listing->names.bytes + ((size_t *)listing->places.bytes)[index];
        struct stat stats;
        if (fstatat(directory, name, &stats, AT_SYMLINK_NOFOLLOW) == -1) {
            if (errno == ENOENT) continue;
            return false;
        }
        set_numbers(fields + count * FIELDS, others + count * OTHERS, &stats);
        accessed[count] = milliseconds(stats.st_atim);
        put_bytes(answer, name, strlen(name) + 1);
        count++;
    }
    fill_number(answer, count_at, count);
    fill_number(answer, length_at, answer->length - begin);
    put_bytes(answer, fields, count * FIELDS * sizeof(double));
    put_bytes(answer, others, count * OTHERS * sizeof(double));
    put_bytes(answer, accessed, count * sizeof(double));
    end_record(answer);
    return true;
}

static bool take_directory(struct listing *listing, const char *path) {
    int directory = open_beneath(listing->root, path, O_RDONLY);
    if (directory == -1) {
        if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP) return false;
        put_number(listing->answer, GONE);
        end_record(listing->answer);
        return true;
    }
    bool done = put_directory(listing, directory);
    int error = errno;
    close(directory);
    errno = error;
    return done;
}

static void take_all(struct request *request, struct listing *listing) {
    while (!is_empty(request)) {
        const char *path;
        if (!take_text(request, &path)) return tell_malformed(listing->answer);
        if (!take_directory(listing, path)) return tell_failed(listing->answer, "scandir", path, errno);
    }
    tell_done(listing->answer);
}

// Root, then the paths of directories.
void list_directories(struct request *request, struct answer *answer) {
    struct listing listing = {.answer = answer};
    const char *path;
    if (!take_text(request, &path)) return tell_malformed(answer);
    listing.root = open_root(path);
    if (listing.root == -1) return tell_failed(answer, "open", path, errno);
    take_all(request, &listing);
    struct buffer *buffers[] = {&listing.entries, &listing.names,  &listing.places,
                                &listing.fields,  &listing.others, &listing.accessed};
    for (size_t index = 0; index < sizeof buffers / sizeof *buffers; index++) free(buffers[index]->bytes);
    close(listing.root);
}
