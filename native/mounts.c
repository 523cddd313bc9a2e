// Operations that mount, and that change what the root is.
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "operations.h"

enum { PLACE_BYTES = 32, OPTIONS_BYTES = 4096 };
static const unsigned long HARDENED = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

// Closes without changing errno.
static void discard(int descriptor) {
    int error = errno;
    close(descriptor);
    errno = error;
}

int open_inside(const char *root, const char *path) {
    int directory = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory == -1) return -1;
    struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};
    int found = syscall(SYS_openat2, directory, path, &how, sizeof how);
    discard(directory);
    return found;
}

int clone_tree(int directory, const char *path, unsigned flags, unsigned long attributes) {
    int tree = open_tree(directory, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags);
    if (tree == -1 || attributes == 0) return tree;
    struct mount_attr set = {.attr_set = attributes};
    unsigned scope = AT_EMPTY_PATH | (flags & AT_RECURSIVE);
    if (mount_setattr(tree, "", scope, &set, sizeof set) == 0) return tree;
    discard(tree);
    return -1;
}

bool attach(int tree, int target) {
    if (tree == -1) return false;
    unsigned flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
    bool done = move_mount(tree, "", target, "", flags) == 0;
    discard(tree);
    return done;
}

// Of mount(2), which takes no descriptor.
static const char *get_place(char place[PLACE_BYTES], int descriptor) {
    snprintf(place, PLACE_BYTES, "/proc/self/fd/%d", descriptor);
    return place;
}

static bool mount_at(const char *target, char *const *rest) {
    const char *data = rest[3][0] == '\0' ? NULL : rest[3];
    return mount(rest[0], target, rest[1], number(rest[2]), data) == 0;
}

// SOURCE TARGET TYPE FLAGS DATA
bool do_mount(char **operands, size_t count) {
    (void)count;
    char *rest[] = {operands[0], operands[2], operands[3], operands[4]};
    return mount_at(operands[1], rest);
}

// ROOT SOURCE PATH TYPE FLAGS DATA
bool do_mount_in(char **operands, size_t count) {
    (void)count;
    int target = open_inside(operands[0], operands[2]);
    if (target == -1) return false;
    char place[PLACE_BYTES], *rest[] = {operands[1], operands[3], operands[4], operands[5]};
    bool done = mount_at(get_place(place, target), rest);
    discard(target);
    return done;
}

// Attaches a mount at a path of the container, and closes its descriptor.
static bool attach_inside(int tree, const char *root, const char *path) {
    if (tree == -1) return false;
    int target = open_inside(root, path);
    if (target == -1) return discard(tree), false;
    bool done = attach(tree, target);
    discard(target);
    return done;
}

// ROOT SOURCE PATH ATTRIBUTES
bool do_bind_in(char **operands, size_t count) {
    (void)count;
    int tree = clone_tree(AT_FDCWD, operands[1], AT_RECURSIVE, number(operands[3]));
    return attach_inside(tree, operands[0], operands[2]);
}

// ROOT PATH ATTRIBUTES: the sysfs of this network. The kernel makes none where parts of the one that is there are hidden, as in
// containers: that one is shown then.
bool do_sysfs_in(char **operands, size_t count) {
    (void)count;
    char name[] = "sysfs", none[] = "", source[] = "/sys";
    char *own[] = {operands[0], name, operands[1], name, operands[2], none};
    char *shared[] = {operands[0], source, operands[1], operands[2]};
    return do_mount_in(own, 6) || (errno == EPERM && do_bind_in(shared, 4));
}

// ROOT SOURCE PATH: a mount, with all that is mounted on it.
bool do_move_in(char **operands, size_t count) {
    (void)count;
    int tree = open(operands[1], O_PATH | O_DIRECTORY | O_CLOEXEC);
    return attach_inside(tree, operands[0], operands[2]);
}

// PATH ATTRIBUTES
bool do_restrict(char **operands, size_t count) {
    (void)count;
    struct mount_attr set = {.attr_set = number(operands[1])};
    return mount_setattr(AT_FDCWD, operands[0], 0, &set, sizeof set) == 0;
}

// ROOT PATH: hides it if it is there, a directory by an empty tmpfs, a file by /dev/null.
bool do_mask(char **operands, size_t count) {
    (void)count;
    int target = open_inside(operands[0], operands[1]);
    if (target == -1) return errno == ENOENT;
    char place[PLACE_BYTES];
    struct stat found;
    bool done = fstat(target, &found) == 0;
    if (done && S_ISDIR(found.st_mode))
        done = mount("tmpfs", get_place(place, target), "tmpfs", MS_RDONLY, "size=0k") == 0;
    else if (done) done = attach(clone_tree(AT_FDCWD, "/dev/null", 0, MOUNT_ATTR_RDONLY), target);
    discard(target);
    return done;
}

// ROOT PATH: if it is there.
bool do_read_only(char **operands, size_t count) {
    (void)count;
    int target = open_inside(operands[0], operands[1]);
    if (target == -1) return errno == ENOENT;
    unsigned flags = AT_EMPTY_PATH | AT_RECURSIVE;
    bool done = attach(clone_tree(target, "", flags, MOUNT_ATTR_RDONLY | HARDENED), target);
    discard(target);
    return done;
}

// Adds text to the options of a mount. False when they are longer than a page.
static bool add_option(char options[OPTIONS_BYTES], size_t *length, const char *text, int descriptor) {
    size_t room = OPTIONS_BYTES - *length;
    int added = descriptor == -1 ? snprintf(options + *length, room, "%s", text)
                                 : snprintf(options + *length, room, "%s%d", text, descriptor);
    *length += added;
    errno = E2BIG;
    return *length < OPTIONS_BYTES;
}

static bool add_directory(char options[OPTIONS_BYTES], size_t *length, const char *text,
                          const char *path) {
    int directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory == -1) blame(path);
    return directory != -1 && add_option(options, length, text, directory);
}

// Each directory takes a descriptor. Whoever may raises the limit for that, not for the program.
static void allow_descriptors(const struct rlimit *before, size_t count) {
    enum { SPARE = 64 };
    if (before->rlim_cur >= count + SPARE) return;
    struct rlimit enough = {.rlim_cur = count + SPARE, .rlim_max = before->rlim_max};
    if (enough.rlim_max < enough.rlim_cur) enough.rlim_max = enough.rlim_cur;
    setrlimit(RLIMIT_NOFILE, &enough);
}

// Where overlayfs can make nothing in its work directory, as on a full disk, it mounts read-only and says so in
// the kernel's log alone: a program that does not mind would have made a layer without its files.
static bool takes_writes(const char *target) {
    struct statfs found;
    if (statfs(target, &found) == -1) return false;
    errno = EROFS;
    return (found.f_flags & ST_RDONLY) == 0;
}

static bool mount_overlay(char **operands, size_t count) {
    char options[OPTIONS_BYTES];
    size_t length = 0;
    for (size_t index = 5; index < count; index++)
        if (!add_directory(options, &length, index == 5 ? "lowerdir=" : ":", operands[index]))
            return false;
    if (operands[3][0] != '\0')
        if (!add_directory(options, &length, ",upperdir=", operands[3]) ||
            !add_directory(options, &length, ",workdir=", operands[4]))
            return false;
    if (operands[2][0] != '\0')
        if (!add_option(options, &length, ",", -1) || !add_option(options, &length, operands[2], -1))
            return false;
    blame(operands[0]);
    unsigned long flags = number(operands[1]);
    return chdir("/proc/self/fd") == 0 &&
           mount("overlay", operands[0], "overlay", flags, options) == 0 &&
           ((flags & MS_RDONLY) != 0 || operands[3][0] == '\0' || takes_writes(operands[0]));
}

// TARGET FLAGS OPTIONS UPPER WORK LOWER ...: without an upper directory for reading. The directories
// are named by their descriptors: so hundreds of them fit into the page that mount(2) takes, no
// character in them means anything, and nothing in the container can read where they are.
bool do_overlay(char **operands, size_t count) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == -1) return false;
    allow_descriptors(&limit, count);
    bool done = mount_overlay(operands, count);
    int error = errno;
    syscall(SYS_close_range, FIRST_FREE, ~0u, 0);
    setrlimit(RLIMIT_NOFILE, &limit);
    errno = error;
    return done && chdir("/") == 0;
}

// pivot_root(".", ".") stacks the old root over the new one; detaching it leaves the new one.
bool do_pivot(char **operands, size_t count) {
    (void)count;
    return chdir(operands[0]) == 0 && syscall(SYS_pivot_root, ".", ".") == 0 &&
           umount2(".", MNT_DETACH) == 0 && chdir("/") == 0;
}

bool do_chroot(char **operands, size_t count) {
    (void)count;
    return chroot(operands[0]) == 0 && chdir("/") == 0;
}
