/*
 * pass send SOCKET FILE r|w: sends a file that is open for reading or writing, and the root directory.
 * pass receive SOCKET SIGN: gets them; when there is a file SIGN, tries to write to both, and says how that went.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PAUSE_US = 10000 };
static int files[2];
static char mark[1], control[CMSG_SPACE(sizeof files)];
static struct iovec text = {mark, sizeof mark};
static struct msghdr message = {
    .msg_iov = &text, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};

static int send_files(int end, const struct sockaddr_un *address, const char *path, int mode) {
    while (connect(end, (const void *)address, sizeof *address) == -1) usleep(PAUSE_US);
    files[0] = open(path, mode);
    files[1] = open("/", O_RDONLY | O_DIRECTORY);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof files);
    memcpy(CMSG_DATA(header), files, sizeof files);
    sendmsg(end, &message, 0);
    /* Until they are received. */
    return read(end, mark, sizeof mark) == sizeof mark ? 0 : 1;
}

static int receive_files(int end, const struct sockaddr_un *address, const char *sign) {
    unlink(address->sun_path);
    if (bind(end, (const void *)address, sizeof *address) == -1 || listen(end, 1) == -1) return 1;
    int sender = accept(end, NULL, NULL);
    recvmsg(sender, &message, 0);
    memcpy(files, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof files);
    if (write(sender, mark, sizeof mark) != sizeof mark) return 1;
    while (access(sign, F_OK) == -1) usleep(PAUSE_US);
    printf("file: %s\n", pwrite(files[0], "bad", 3, 0) == 3 ? "written" : strerror(errno));
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", files[0]);
    printf("again: %s\n", open(path, O_RDWR) != -1 ? "opened" : strerror(errno));
    printf("root: %s\n", openat(files[1], "late", O_CREAT, 0644) != -1 ? "made" : strerror(errno));
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    int end = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, argv[2], sizeof address.sun_path - 1);
    if (strcmp(argv[1], "receive") == 0) return receive_files(end, &address, argv[3]);
    return send_files(end, &address, argv[3], argc > 4 && argv[4][0] == 'w' ? O_RDWR : O_RDONLY);
}
