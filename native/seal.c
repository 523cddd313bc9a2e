#include "seal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "operations.h"

// A reader of /proc, and the kernel's own clearing up after a process, hold files for a moment.
enum { TRIES = 20, PAUSE_NS = 5000000 };

bool hand_over(int socket, int root) {
    char mark = 0, control[CMSG_SPACE(sizeof root)] = {0};
    struct iovec text = {&mark, sizeof mark};
    struct msghdr message = {
        .msg_iov = &text,
        .msg_iovlen = 1,
        .msg_control = control,
        .msg_controllen = sizeof control,
    };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof root);
    memcpy(CMSG_DATA(header), &root, sizeof root);
    return sendmsg(socket, &message, MSG_NOSIGNAL) == sizeof mark;
}

// PATH: the root of the mount that the program writes to.
bool do_hand_over(char **operands, size_t count) {
    (void)count;
    int root = open(operands[0], O_PATH | O_DIRECTORY | O_CLOEXEC);
    bool done = root != -1 && hand_over(STATUS, root);
    int error = errno;
    if (root != -1) close(root);
    errno = error;
    return done;
}

// By the file system, not by one of its mounts: those of a container are in no namespace any more.
static bool make_read_only(int root) {
    int context = fspick(root, "", FSPICK_EMPTY_PATH | FSPICK_CLOEXEC);
    if (context == -1) return false;
    bool done = fsconfig(context, FSCONFIG_SET_FLAG, "ro", NULL, 0) == 0 &&
                fsconfig(context, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) == 0;
    int error = errno;
    close(context);
    errno = error;
    return done;
}

bool seal(int root) {
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    for (int left = TRIES; !make_read_only(root); left--) {
        if (errno != EBUSY || left == 0) return false;
        nanosleep(&pause, NULL);
    }
    return true;
}
