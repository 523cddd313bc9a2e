#include "data.h"

#include <errno.h>
#include <linux/fs.h>
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
