// What a tree holds: extended attributes, counts, sizes. One walk for all of it.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "beneath.h"
#include "files.h"
#include "walk.h"
#include "xattrs.h"

struct tree {
    struct answer *answer;
    struct xattr_buffer *buffer;
};

// A record: path, length of the rest, attributes. Of a file that has none, nothing.
static bool visit(struct walk *walk, unsigned char type) {
    (void)type;
    struct tree *tree = walk->context;
    struct answer *answer = tree->answer;
    size_t start = answer->length;
    put_bytes(answer, walk->path, walk->path_length + 1);
    size_t size = leave_number(answer), from = answer->length;
    walk->call = "listxattr";
    int count = put_xattrs(answer, walk->name, tree->buffer);
    if (count == -1) return false;
    if (count == 0) answer->length = start;
    else fill_number(answer, size, answer->length - from);
    end_record(answer);
    return true;
}

void walk_tree(struct request *request, struct answer *answer) {
    const char *path;
    if (!take_text(request, &path) || !is_empty(request)) return tell_malformed(answer);
    int root = open_root(path);
    if (root == -1) return tell_failed(answer, "open", path, errno);
    struct tree tree = {answer, make_xattr_buffer()};
    struct walk walk = {.visit = visit, .context = &tree, .may_vanish = true};
    if (walk_from(&walk, root)) tell_done(answer);
    else tell_failed(answer, walk.call, walk.path, errno);
    free(walk.path);
    free(tree.buffer);
    close(root);
}
