/*
 * What libseccomp makes of rules: for libseccomp.test.ts, which compares wiac's filters with it.
 *
 * Input, a line each: "arch NAME", the machine's own first; then "rule ACTION NAME COUNT" and COUNT times
 * "INDEX OPERATOR VALUE MASKED", where OPERATOR is that of enum scmp_compare. The first argument of the program is
 * the action for other calls. Output: the filter. Calls that libseccomp does not know are named on stderr.
 */
#include <errno.h>
#include <inttypes.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(int code, const char *what)
{
    if (code >= 0)
        return;
    fprintf(stderr, "%s: %s\n", what, strerror(-code));
    exit(1);
}

static void add_rule(scmp_filter_ctx filter)
{
    uint32_t action;
    unsigned count;
    char name[64];
    struct scmp_arg_cmp conditions[6];
    if (scanf("%" SCNu32 " %63s %u", &action, name, &count) != 3 || count > 6)
        must(-EINVAL, "rule");
    for (unsigned at = 0; at < count; at++) {
        unsigned index;
        int operator;
        uint64_t value, masked;
        if (scanf("%u %d %" SCNu64 " %" SCNu64, &index, &operator, &value, &masked) != 4)
            must(-EINVAL, "condition");
        conditions[at] = (struct scmp_arg_cmp){ index, operator, value, masked };
    }
    int call = seccomp_syscall_resolve_name(name);
    if (call == __NR_SCMP_ERROR) {
        fprintf(stderr, "%s\n", name);
        return;
    }
    must(seccomp_rule_add_array(filter, action, call, count, conditions), name);
}

int main(int argc, char **argv)
{
    char word[16], name[16];
    scmp_filter_ctx filter = seccomp_init(argc > 1 ? strtoul(argv[1], NULL, 10) : 0);
    int is_first = 1;
    if (!filter)
        return 1;
    while (scanf("%15s", word) == 1) {
        if (strcmp(word, "rule") == 0) {
            add_rule(filter);
            continue;
        }
        if (scanf("%15s", name) != 1)
            return 1;
        uint32_t architecture = seccomp_arch_resolve_name(name);
        int code = seccomp_arch_add(filter, architecture);
        must(code == -EEXIST ? 0 : code, name);
        if (is_first && architecture != seccomp_arch_native())
            must(seccomp_arch_remove(filter, SCMP_ARCH_NATIVE), "native");
        is_first = 0;
    }
    must(seccomp_export_bpf(filter, 1), "export");
    return 0;
}
