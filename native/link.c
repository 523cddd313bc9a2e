// Links whole trees of one directory into another one, at the same paths.
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

static bool make_same(int into, const char *path) {
    const char *name = enter_parent(into, path);
    return name != NULL && mkdir(name, 0700) == 0;
}

// Tells how many entries were made, the tree's own directory counted, and the number of the error.
static void link_tree(struct answer *answer, int from, int into, const char *path) {
    struct transfer transfer = {.into = into, .put = link_file};
    int tree = open_beneath(from, path, O_PATH);
    const char *call;
    char *at = NULL;
    bool done = tree != -1 && make_same(into, path) && transfer_tree(&transfer, tree, path, &call, &at);
    int error = done ? 0 : errno;
    free(at);
    if (tree != -1) close(tree);
    put_number(answer, transfer.count + 1);
    put_number(answer, error);
    end_record(answer);
}

// One that fails keeps no other from being linked.
static void link_all(struct request *request, struct answer *answer, int from, int into) {
    while (!is_empty(request)) {
        const char *path;
        if (!take_text(request, &path)) return tell_malformed(answer);
        link_tree(answer, from, into, path);
    }
    tell_done(answer);
}

// Path of the directory that has the trees, path of the one that gets them, then theirs below both.
void link_trees(struct request *request, struct answer *answer) {
    const char *from, *into;
    if (!take_text(request, &from) || !take_text(request, &into)) return tell_malformed(answer);
    int source = open_root(from);
    if (source == -1) return tell_failed(answer, "open", from, errno);
    int target = open_root(into);
    if (target == -1) tell_failed(answer, "open", into, errno);
    else {
        link_all(request, answer, source, target);
        close(target);
    }
    close(source);
}
