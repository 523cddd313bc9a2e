// Operations that make files and directories of a container, and enter directories.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "operations.h"

static mode_t get_mode(const char *octal) { return strtoul(octal, NULL, 8); }

bool do_chdir(char **operands, size_t count) {
    (void)count;
    return chdir(operands[0]) == 0;
}

// The program's directory is entered as root, who may enter all of them, and by its user where only that one may (a
// directory of somebody else on a network's file system): as runc does it. 'workdir' comes twice, around 'user'.
static bool has_workdir;

bool do_workdir(char **operands, size_t count) {
    (void)count;
    bool is_last = strcmp(operands[1], "last") == 0;
    if (has_workdir) return true;
    has_workdir = chdir(operands[0]) == 0;
    return has_workdir || (!is_last && (errno == EACCES || errno == EPERM));
}

// Enters a directory, and closes it.
static bool enter(int directory) {
    if (directory == -1) return false;
    bool done = fchdir(directory) == 0;
    int error = errno;
    close(directory);
    errno = error;
    return done;
}

static bool enter_inside(const char *root, const char *path) { return enter(open_inside(root, path)); }

// ROOT PATH
bool do_chdir_in(char **operands, size_t count) {
    (void)count;
    return enter_inside(operands[0], operands[1]);
}

// SOURCE PATH KIND MAJOR MINOR MODE UID GID MOUNTED: a device below the working directory. Made anew,
// because root may change the mode of the host's own; where that is refused, that one, read-only. A
// mount of its own works where devices do not.
bool do_device(char **operands, size_t count) {
    (void)count;
    const char *source = operands[0], *path = operands[1];
    mode_t type = strcmp(operands[2], "block") == 0 ? S_IFBLK : S_IFCHR, mode = number(operands[5]);
    dev_t device = makedev(number(operands[3]), number(operands[4]));
    bool is_mounted = strcmp(operands[8], "1") == 0;
    if (mknod(path, type | mode, device) == 0)
        return chmod(path, mode) == 0 && chown(path, number(operands[6]), number(operands[7])) == 0 &&
               (!is_mounted || mount(path, path, NULL, MS_BIND, NULL) == 0);
    int place = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (place == -1) return false;
    int tree = clone_tree(AT_FDCWD, source, 0, MOUNT_ATTR_RDONLY);
    // A device that was unplugged meanwhile.
    bool done = tree == -1 && errno == ENOENT ? unlink(path) == 0 : attach(tree, place);
    int error = errno;
    close(place);
    errno = error;
    return done;
}

static bool make_directory(const char *path) {
    struct stat found;
    if (stat(path, &found) == 0 && S_ISDIR(found.st_mode)) return true;
    return mkdir(path, 0755) == 0;
}

// A working directory that the image names but does not hold, as every container runtime does.
bool do_make_path(char **operands, size_t count) {
    (void)count;
    char *path = operands[0];
    for (char *at = path; *at != '\0';) {
        at += strspn(at, "/");
        if (*at == '\0') break;
        at += strcspn(at, "/");
        char end = *at;
        *at = '\0';
        bool done = make_directory(path);
        *at = end;
        if (!done) return false;
    }
    return true;
}

// PATH MODE
bool do_mkdir(char **operands, size_t count) {
    (void)count;
    mode_t mode = get_mode(operands[1]);
    return mkdir(operands[0], mode) == 0 && chmod(operands[0], mode) == 0;
}

// Enters a directory, made if it is missing, that is no link.
static bool enter_name(const char *name) {
    if (mkdir(name, 0755) == -1 && errno != EEXIST) return false;
    return enter(open(name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

// ROOT BASE PATH KIND. What was mounted around it belongs to others, who may exchange a directory for
// a link meanwhile: each name is entered by itself, and no link is followed.
bool do_mount_point(char **operands, size_t count) {
    (void)count;
    if (!enter_inside(operands[0], operands[1])) return false;
    bool is_directory = strcmp(operands[3], "directory") == 0;
    char *name = operands[2];
    for (char *slash; (slash = strchr(name, '/')) != NULL; name = slash + 1) {
        *slash = '\0';
        bool entered = enter_name(name);
        *slash = '/';
        if (!entered) return false;
    }
    struct stat found;
    if (lstat(name, &found) == -1) {
        if (is_directory) return mkdir(name, 0755) == 0;
        int file = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        return file != -1 && close(file) == 0;
    }
    if (S_ISDIR(found.st_mode) ? is_directory : !S_ISLNK(found.st_mode) && !is_directory) return true;
    errno = ENOTDIR;
    return false;
}

// DIRECTORY PATH...: makes empty files, and a directory for each path that ends with a slash, in this
// order. The directory is a file system of its own, in which there is nothing else.
bool do_names(char **operands, size_t count) {
    if (chdir(operands[0]) == -1) return false;
    for (size_t index = 1; index < count; index++) {
        const char *path = operands[index];
        size_t length = strlen(path);
        bool is_directory = length > 0 && path[length - 1] == '/';
        if ((is_directory ? mkdir(path, 0755) : mknod(path, S_IFREG | 0644, 0)) == -1) return false;
    }
    return chdir("/") == 0;
}

// TARGET PATH
bool do_symlink(char **operands, size_t count) {
    (void)count;
    return symlink(operands[0], operands[1]) == 0;
}

// PATH MODE UID GID CONTENT: the content is written in hexadecimal digits.
bool do_write(char **operands, size_t count) {
    (void)count;
    const char *path = operands[0], *content = operands[4];
    size_t left = decode_hex(operands[4]);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file == -1) return false;
    while (left > 0) {
        ssize_t written = write(file, content, left);
        if (written == -1) return false;
        content += written;
        left -= written;
    }
    return close(file) == 0 && chown(path, number(operands[2]), number(operands[3])) == 0 &&
           chmod(path, get_mode(operands[1])) == 0;
}
