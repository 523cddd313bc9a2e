#include "data.h"

#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER = 64 << 10, AT_ONCE = 1 << 30 };

static bool write_all(int to, const char *bytes, size_t length, off_t at) {
    while (length > 0) {
        ssize_t count = pwrite(to, bytes, length, at);
        if (count == -1 && errno == EINTR) continue;
        if (count == -1) return false;
        bytes += count;
        length -= count;
        at += count;
    }
    return true;
}

// Until `end` or the end of the file, whichever comes first.
static bool copy_by_hand(int from, int to, off_t at, off_t end) {
    char buffer[BUFFER];
    while (at < end) {
        ssize_t count = pread(from, buffer, end - at < BUFFER ? end - at : BUFFER, at);
        if (count == -1 && errno == EINTR) continue;
        if (count == -1) return false;
        if (count == 0) return true;
        if (!write_all(to, buffer, count, at)) return false;
        at += count;
    }
    return true;
}

static bool copy_range(int from, int to, off_t at, off_t end) {
    while (at < end) {
        off_t source = at, target = at;
        ssize_t count =
            copy_file_range(from, &source, to, &target, end - at < AT_ONCE ? end - at : AT_ONCE, 0);
        // Not between these files, or the file is shorter by now.
        if (count <= 0) return copy_by_hand(from, to, at, end);
        at += count;
    }
    return true;
}

bool copy_data(int from, int to) {
    struct stat stats;
    if (ioctl(to, FICLONE, from) == 0) return true;
    if (fstat(from, &stats) == -1) return false;
    // Files of the kernel's own say that they are empty.
    if (stats.st_size == 0) return copy_by_hand(from, to, 0, AT_ONCE);
    for (off_t at = 0; at < stats.st_size;) {
        off_t start = lseek(from, at, SEEK_DATA);
        // Nothing but a hole up to the end.
        if (start == -1 && errno == ENXIO) break;
        if (start == -1) start = at;
        off_t end = lseek(from, start, SEEK_HOLE);
        if (end == -1) end = stats.st_size;
        if (!copy_range(from, to, start, end)) return false;
        at = end;
    }
    return ftruncate(to, stats.st_size) == 0;
}

// A block of the usual file systems: a hole has that size at least. stat(2): st_blocks counts units of
// 512 bytes.
enum { BLOCK = 4096, STAT_BLOCK = 512 };

static bool is_zero(const char *bytes, size_t length) {
    static const char zeros[BLOCK];
    return memcmp(bytes, zeros, length) == 0;
}

// Blocks that are zero stay holes.
static bool write_sparsely(int to, const char *bytes, size_t length, off_t at) {
    for (size_t done = 0; done < length; done += BLOCK) {
        size_t block = length - done < BLOCK ? length - done : BLOCK;
        if (!is_zero(bytes + done, block) && !write_all(to, bytes + done, block, at + done)) return false;
    }
    return true;
}

bool read_data(int from, const struct stat *stats, int to, struct content *content) {
    char buffer[BUFFER];
    struct sha256 hash;
    bool sparse = stats->st_blocks * STAT_BLOCK < stats->st_size;
    off_t at = 0;
    ssize_t count;
    // Where the file system lets two files share their blocks, nobody changes those of the new one.
    if (to != -1 && ioctl(to, FICLONE, from) == 0) from = to, to = -1;
    sha256_begin(&hash);
    while ((count = pread(from, buffer, BUFFER, at)) != 0) {
        if (count == -1 && errno == EINTR) continue;
        if (count == -1) return false;
        sha256_add(&hash, buffer, count);
        if (to != -1 && !(sparse ? write_sparsely : write_all)(to, buffer, count, at)) return false;
        at += count;
        // The end of a small file need not be asked for. One of /proc has no size, and content all the same.
        if (count < BUFFER && stats->st_size > 0 && at >= stats->st_size) break;
    }
    sha256_end(&hash, content->digest);
    content->size = at;
    return to == -1 || !sparse || ftruncate(to, at) == 0;
}
