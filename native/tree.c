// What a tree holds: extended attributes, names that mean something, counts, sizes. One walk for it all.
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "beneath.h"
#include "files.h"
#include "inodes.h"
#include "survey.h"
#include "walk.h"
#include "xattrs.h"

struct tree {
    struct answer *answer;
    struct xattr_buffer *buffer;
    // Names that begin so are told, whether they have attributes or not; NULL: none.
    const char *prefix;
    bool measures;
    // Entries below the root; bytes in files, several names of one in full; bytes on the disk.
    uint64_t entries, bytes, disk;
    // Directories within each other, at most.
    uint64_t depth;
    // So many entries are looked at; more are too many.
    uint64_t most;
    struct inodes seen;
};

static bool measure(struct walk *walk, struct tree *tree) {
    struct stat stats;
    if (lstat(walk->name, &stats) == -1) {
        walk->call = "lstat";
        return errno == ENOENT;
    }
    if (++tree->entries > tree->most) return errno = E2BIG, false;
    if (S_ISREG(stats.st_mode)) tree->bytes += stats.st_size;
    bool counts = stats.st_nlink < 2 || S_ISDIR(stats.st_mode) ||
                  add_inode(&tree->seen, stats.st_dev, stats.st_ino);
    // Whatever a block of the file system is, these are of 512 bytes.
    if (counts) tree->disk += 512 * (uint64_t)stats.st_blocks;
    return true;
}

static bool is_named(const struct tree *tree, const char *name) {
    return tree->prefix != NULL && strncmp(name, tree->prefix, strlen(tree->prefix)) == 0;
}

// A record: path, length of the rest, attributes.
static bool visit(struct walk *walk, unsigned char type) {
    struct tree *tree = walk->context;
    if (type == DT_DIR && walk->path_length > 0 && walk->depth >= tree->depth) tree->depth = walk->depth + 1;
    struct answer *answer = tree->answer;
    if (tree->measures && !measure(walk, tree)) return false;
    size_t start = answer->length;
    put_bytes(answer, walk->path, walk->path_length + 1);
    size_t size = leave_number(answer), from = answer->length;
    walk->call = "listxattr";
    int count = put_xattrs(answer, walk->name, tree->buffer);
    if (count == -1) return false;
    if (count == 0 && !is_named(tree, walk->name)) answer->length = start;
    else fill_number(answer, size, answer->length - from);
    end_record(answer);
    return true;
}

static void put_measures(struct answer *answer, const struct tree *tree) {
    put_large(answer, tree->entries > 0 ? tree->entries - 1 : 0);
    put_large(answer, tree->bytes);
    put_large(answer, tree->disk);
    put_large(answer, tree->depth);
}

static void walk_root(struct answer *answer, int root, const char *prefix, bool measures) {
    struct tree tree = {
        .answer = answer, .buffer = make_xattr_buffer(), .measures = measures, .most = UINT64_MAX};
    if (prefix[0] != 0) tree.prefix = prefix;
    struct walk walk = {.visit = visit, .context = &tree, .may_vanish = true, .stays = true};
    if (walk_from(&walk, root)) {
        end_records(answer);
        put_measures(answer, &tree);
        tell_done(answer);
    } else tell_failed(answer, walk.call, walk.path, errno);
    free_inodes(&tree.seen);
    free(walk.path);
    free(tree.buffer);
}

bool survey_tree(struct answer *answer, const char *path, const char *prefix, uint64_t most) {
    int root = open_root(path);
    if (root == -1) return false;
    struct tree tree = {
        .answer = answer, .buffer = make_xattr_buffer(), .prefix = prefix, .measures = true, .most = most};
    struct walk walk = {.visit = visit, .context = &tree};
    bool done = walk_from(&walk, root);
    if (done) put_measures(answer, &tree);
    free_inodes(&tree.seen);
    free(walk.path);
    free(tree.buffer);
    close(root);
    return done;
}

// Root, 1 if it is to be measured, beginning of names that are told, or "". Parts have the records of
// files that have attributes or such a name; entries, bytes, bytes on the disk and depth come last.
void walk_tree(struct request *request, struct answer *answer) {
    const char *path, *prefix;
    uint32_t measures;
    if (!take_text(request, &path) || !take_number(request, &measures) ||
        !take_text(request, &prefix) || !is_empty(request))
        return tell_malformed(answer);
    int root = open_root(path);
    if (root == -1) return tell_failed(answer, "open", path, errno);
    walk_root(answer, root, prefix, measures != 0);
    close(root);
}
