// Digests of many files, and the opening of files that other processes may replace.
#include <fcntl.h>
#include <unistd.h>

#include "data.h"
#include "files.h"
#include "listed.h"
#include "open-file.h"

int open_regular(int directory, const char *name, struct stat *stats) {
    int file = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (file == -1) return -1;
    if (fstat(file, stats) == 0 && S_ISREG(stats->st_mode)) return file;
    close(file);
    return -1;
}

// A record: number of the file, its size, its digest. There is none of what is no regular file any
// more, or can't be read: wiac looks at that itself, and says why.
static bool put_digest(struct listed *listed, const char *name) {
    struct stat stats;
    int file = listed->gone ? -1 : open_regular(AT_FDCWD, name, &stats);
    if (file == -1) return true;
    struct content content;
    if (read_data(file, &stats, -1, &content)) {
        put_number(listed->answer, listed->number);
        put_large(listed->answer, content.size);
        put_bytes(listed->answer, content.digest, sizeof content.digest);
    }
    close(file);
    return true;
}

void list_digests(struct request *request, struct answer *answer) {
    struct listed listed = {.answer = answer, .put = put_digest, .call = "read"};
    take_listed(request, &listed);
}
