// What lstat says of many files.
#include <errno.h>
#include <sys/stat.h>

#include "files.h"
#include "listed.h"
#include "milliseconds.h"

// Of the first number of a file that is gone, and of one whose directory is.
enum { FILE_GONE = 0, DIRECTORY_GONE = -1 };

// A record: 10 doubles, in the order of src/native/list-stats.ts.
static bool put_stats(struct listed *listed, const char *name) {
    struct stat stats = {0};
    if (listed->gone || lstat(name, &stats) == -1) {
        if (!listed->gone && errno != ENOENT && errno != ENOTDIR) return false;
        double gone[10] = {listed->gone ? DIRECTORY_GONE : FILE_GONE};
        put_bytes(listed->answer, gone, sizeof gone);
        return true;
    }
    double numbers[10] = {stats.st_mode,
                          stats.st_ino,
                          stats.st_dev,
                          milliseconds(stats.st_ctim),
                          stats.st_size,
                          milliseconds(stats.st_mtim),
                          stats.st_uid,
                          stats.st_gid,
                          stats.st_nlink,
                          stats.st_rdev};
    put_bytes(listed->answer, numbers, sizeof numbers);
    return true;
}

void list_stats(struct request *request, struct answer *answer) {
    struct listed listed = {.answer = answer, .put = put_stats, .call = "lstat"};
    take_listed(request, &listed);
}
