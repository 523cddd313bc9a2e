// The operation that restricts the devices of a control group of version 2.
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "operations.h"

static int ask_bpf(int command, union bpf_attr *attributes) {
    return syscall(SYS_bpf, command, attributes, sizeof *attributes);
}

static int load_program(const char *instructions, size_t length) {
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    attributes.insns = (uintptr_t)instructions;
    attributes.insn_cnt = length / sizeof(struct bpf_insn);
    // It calls nothing of the kernel's, and so needs no licence.
    attributes.license = (uintptr_t) "";
    return ask_bpf(BPF_PROG_LOAD, &attributes);
}

static bool attach_program(int group, int program) {
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.target_fd = group;
    attributes.attach_bpf_fd = program;
    attributes.attach_type = BPF_CGROUP_DEVICE;
    // Beside those of groups above it, which go on to count.
    attributes.attach_flags = BPF_F_ALLOW_MULTI;
    return ask_bpf(BPF_PROG_ATTACH, &attributes) == 0;
}

// A kernel without such programs, or a sandbox around us that has no bpf(2).
static bool is_refused(int error) { return error == EPERM || error == EINVAL || error == ENOSYS; }

// GROUP PROGRAM [required]: the directory, and a struct bpf_insn[] in hexadecimal digits. The group keeps the
// program until it is removed. It comes on top of mounts without devices: where the kernel has none, these
// do, unless it is required.
bool do_device_filter(char **operands, size_t count) {
    bool required = count > 2 && strcmp(operands[2], "required") == 0;
    int program = load_program(operands[1], decode_hex(operands[1]));
    if (program == -1) return !required && is_refused(errno);
    int group = open(operands[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool done = group != -1 && (attach_program(group, program) || (!required && is_refused(errno)));
    int error = errno;
    if (group != -1) close(group);
    close(program);
    errno = error;
    return done;
}
