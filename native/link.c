// Links, or copies, whole trees of one directory into another one.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "beneath.h"
#include "files.h"
#include "transfer.h"

static bool link_file(struct transfer *transfer, const char *name) {
    // A symbolic link itself gets another name.
    return linkat(AT_FDCWD, name, transfer->target, name, 0) == 0;
}

static bool make_top(int into, const char *path) {
    const char *name = enter_parent(into, path);
    return name != NULL && mkdir(name, 0700) == 0;
}

// Tells how many entries were made, the tree's own directory counted, and the number of the error.
// copies: NULL for links
static void place_tree(struct answer *answer, int from, const char *path, int into, const char *target,
                       struct copies *copies) {
    struct transfer transfer = {
        .into = into, .put = copies == NULL ? link_file : put_copy, .plain = true, .context = copies};
    int tree = open_beneath(from, path, O_PATH);
    const char *call;
    char *at = NULL;
    bool done = tree != -1 && make_top(into, target) && transfer_tree(&transfer, tree, target, &call, &at);
    int error = done ? 0 : errno;
    free(at);
    if (tree != -1) close(tree);
    put_number(answer, transfer.count + 1);
    put_number(answer, error);
    end_record(answer);
}

// One that fails keeps no other from being placed.
static void place_all(struct request *request, struct answer *answer, int from, int into,
                      struct copies *copies) {
    while (!is_empty(request)) {
        const char *path, *target;
        if (!take_text(request, &path) || !take_text(request, &target)) return tell_malformed(answer);
        place_tree(answer, from, path, into, target, copies);
    }
    tell_done(answer);
}

// Path of the directory that has the trees, path of the one that gets them, whether they are copied; then
// for each its path below both. Their directories get no extended attributes.
void link_trees(struct request *request, struct answer *answer) {
    const char *from, *into;
    uint32_t copied;
    if (!take_text(request, &from) || !take_text(request, &into) || !take_number(request, &copied))
        return tell_malformed(answer);
    int source = open_root(from);
    if (source == -1) return tell_failed(answer, "open", from, errno);
    int target = open_root(into);
    if (target == -1) tell_failed(answer, "open", into, errno);
    else {
        struct copies *copies = copied != 0 ? begin_copies() : NULL;
        place_all(request, answer, source, target, copies);
        if (copies != NULL) end_copies(copies);
        close(target);
    }
    close(source);
}
