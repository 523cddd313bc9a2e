// What a container's first process does on its way to becoming the program: a list of operations,
// each of them a system call or a few. src/executor/local/operations.ts writes the list.
#ifndef OPERATIONS_H
#define OPERATIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A process that was cloned has a copy of other threads' locks: nothing here allocates memory.

// A list as it came: NUL-terminated fields; each operation is a name, a number of operands, and these.
struct operations {
    char **fields;
    size_t count;
    // The rest of it comes later.
    bool waits;
};

// An operation's name, and its operands.
struct operation {
    const char *name;
    char **operands;
    size_t count;
};

// Descriptors of a container's first process, besides 0 to 2. The first two close when the program begins;
// the rest of the list comes over the third, and only a process that waits for it has that.
enum { STATUS = 3, PARENT = 4, REST = 5, FIRST_FREE = 6 };

// Splits a payload in place. False when it is no list; `fields` is to be freed.
bool split_operations(char *payload, size_t length, struct operations *list);

// The same in two parts: how many fields there are, 0 for what is no list; and where each begins.
size_t count_fields(const char *payload, size_t length);
void fill_fields(char *payload, size_t count, char **fields);

// rest.c: waits for the rest of the list, which takes the place of what is left of it.
bool await_rest(struct operations *list);

// Takes the next operation from the list. False at its end, and when the rest is no operation.
bool next_operation(struct operations *list, struct operation *operation);

// An operand that may be left out, or be empty: NULL then.
const char *get_operand(const struct operation *operation, size_t index);

// Carries out one operation. False, with errno, when that is not possible.
bool perform(const struct operation *operation);

// What the operation that is being performed fails at, should it have too many operands to name.
void blame(const char *path);

// What did not work, as a text: "setup: OPERATION OPERANDS: ERROR", or "early: ..." before the rest of the list
// is there. Returns its length.
enum { STATUS_BYTES = 8192 };
size_t describe_failure(char text[STATUS_BYTES], const struct operations *list,
                        const struct operation *operation, int error);

// Carries out all that is left of a list, until the program begins.
void carry_out(struct operations *list) __attribute__((noreturn));

// Each carries out one operation. False, with errno, when that is not possible.
typedef bool action(char **operands, size_t count);

// operations.c
action do_join_cgroup;
// devices.c
action do_device_filter;
// mounts.c
action do_bind_in, do_chroot, do_mask, do_mount, do_mount_in, do_move_in, do_overlay, do_pivot,
    do_read_only, do_restrict, do_sysfs_in;
// What is at a path of the container, as an O_PATH descriptor; -1 with errno. Its symbolic links are
// followed within the container's root: those of an image or a cache mount must not lead to the host.
int open_inside(const char *root, const char *path);
// A mount that is attached nowhere: what is at a path, or behind a descriptor, with attributes of its
// own (those of mount_setattr(2)). The flags are those of open_tree(2).
int clone_tree(int directory, const char *path, unsigned flags, unsigned long attributes);
// Attaches such a mount to what a descriptor leads to, and closes its own.
bool attach(int tree, int target);
// places.c
action do_chdir, do_chdir_in, do_device, do_make_path, do_mkdir, do_mount_point, do_names, do_workdir,
    do_symlink, do_write;
// rights.c
action do_capabilities, do_drop_inherited, do_no_new_privileges, do_seccomp,
    do_seccomp_filter, do_user;
// seal.c
action do_hand_over;
// supervise.c
action do_fork;


// A text for an error, which no locale changes.
const char *get_reason(int error);

// The number that an operand is; -1 is the largest.
unsigned long long number(const char *text);

// Bytes of a text of hexadecimal digits, in its place.
size_t decode_hex(char *text);

#endif
