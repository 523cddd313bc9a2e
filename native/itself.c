#include "itself.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "operations.h"

static const char MARK[] = "again";
enum { ARGUMENTS = 8, REASON_BYTES = 128 };

// Root of a user namespace alone, as of "unshare -r", may mount nothing among the mounts of others: it needs its own
// ones. This program was started from the others', so among them it is found by name.
static int clone_itself(void) {
    char path[PATH_MAX];
    int self = clone_tree(AT_FDCWD, "/proc/self/exe", 0, MOUNT_ATTR_RDONLY);
    if (self != -1 || errno != EPERM) return self;
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length == -1 || unshare(CLONE_NEWNS) == -1) {
        errno = EPERM;
        return -1;
    }
    path[length] = '\0';
    return clone_tree(AT_FDCWD, path, 0, MOUNT_ATTR_RDONLY);
}

// Else "#!/proc/self/exe" as a container's program would be this program, and root in there could
// change its mode or its content, on the host.
const char *protect_itself(char **argv) {
    int count = 0;
    char *again[ARGUMENTS] = {NULL};
    for (; argv[count] != NULL && count < ARGUMENTS - 2; count++) again[count] = argv[count];
    if (strcmp(argv[count - 1], MARK) == 0) return NULL;
    again[count] = (char *)MARK;
    static char reason[REASON_BYTES];
    int self = clone_itself();
    if (self != -1) syscall(SYS_execveat, self, "", again, environ, AT_EMPTY_PATH);
    snprintf(reason, sizeof reason, "setup: open_tree: %s", get_reason(errno));
    return reason;
}
