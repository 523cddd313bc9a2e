// Takes requests from wiac, and gives them to threads.
#include "files.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "message.h"

// Two that copy or link need not be waited for by one that reads. So many requests wait at most,
// the others stay with wiac.
enum { THREADS = 4, WAITING = 16, RECORD_BYTES = 64 << 10 };
// Exit code (EX_TEMPFAIL) where there is no room for a thread: wiac says so.
enum { NO_THREADS = 75 };

static const struct {
    uint8_t kind;
    files_handler *handle;
} HANDLERS[] = {
    {ASK_XATTRS, list_xattrs}, {ASK_TREE, walk_tree},     {ASK_SET, set_attributes},
    {ASK_LINK, link_trees},    {ASK_COPY, copy_tree},     {ASK_SYNC, sync_files},
    {ASK_SPREAD, spread_tree}, {ASK_TYPES, probe_types}, {ASK_STATS, list_stats},
    {ASK_DIGESTS, list_digests}, {ASK_FILL, fill_directories},
    {ASK_LIST, list_directories}, {ASK_FIFOS, make_fifos},
    {ASK_REMOVE, remove_trees}, {ASK_SYNC_TREES, sync_trees},
};

struct job {
    struct job *next;
    uint32_t id, length;
    uint8_t kind;
    uint8_t payload[];
};

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t came, went;
    struct job *first, **last;
    int count;
    bool ended;
} queue = {.mutex = PTHREAD_MUTEX_INITIALIZER,
           .came = PTHREAD_COND_INITIALIZER,
           .went = PTHREAD_COND_INITIALIZER,
           .last = &queue.first};

static pthread_mutex_t writing = PTHREAD_MUTEX_INITIALIZER;
static int output;

static void write_all(struct iovec *pieces, int count) {
    while (count > 0) {
        ssize_t done = writev(output, pieces, count);
        if (done == -1 && errno == EINTR) continue;
        // wiac does not read any longer.
        if (done == -1) _exit(1);
        for (; count > 0 && (size_t)done >= pieces->iov_len; pieces++, count--) done -= pieces->iov_len;
        if (count == 0) break;
        pieces->iov_base = (uint8_t *)pieces->iov_base + done;
        pieces->iov_len -= done;
    }
}

// Waits until wiac takes it: so little is kept here.
static void send_frame(struct answer *answer, uint8_t kind) {
    uint8_t header[HEADER_BYTES];
    uint32_t length = answer->length;
    memcpy(header, &length, sizeof length);
    memcpy(header + 4, &answer->id, sizeof answer->id);
    header[8] = kind;
    struct iovec pieces[] = {{header, sizeof header}, {answer->bytes, answer->length}};
    pthread_mutex_lock(&writing);
    write_all(pieces, 2);
    pthread_mutex_unlock(&writing);
    answer->length = 0;
}

void end_record(struct answer *answer) {
    if (answer->length >= RECORD_BYTES && answer->send != NULL) answer->send(answer, TELL_PART);
}

void end_records(struct answer *answer) {
    if (answer->length > 0) send_frame(answer, TELL_PART);
}

void tell_done(struct answer *answer) { send_frame(answer, TELL_DONE); }

void tell_failed(struct answer *answer, const char *call, const char *path, int error) {
    answer->length = 0;
    put_number(answer, error);
    put_bytes(answer, call, strlen(call) + 1);
    const char *reason = strerror(error);
    put_bytes(answer, reason, strlen(reason) + 1);
    put_bytes(answer, path, strlen(path));
    send_frame(answer, TELL_FAILED);
}

void tell_malformed(struct answer *answer) {
    static const char text[] = "it is malformed";
    answer->length = 0;
    put_bytes(answer, text, sizeof text - 1);
    send_frame(answer, TELL_REFUSED);
}

static void carry_out_job(struct job *job) {
    struct answer answer = {.id = job->id, .send = send_frame};
    struct request request = {job->payload, job->payload + job->length};
    files_handler *handle = NULL;
    for (size_t index = 0; index < sizeof HANDLERS / sizeof *HANDLERS; index++)
        if (HANDLERS[index].kind == job->kind) handle = HANDLERS[index].handle;
    if (handle != NULL) handle(&request, &answer);
    else {
        static const char unknown[] = "no request of this kind is known";
        put_bytes(&answer, unknown, sizeof unknown - 1);
        send_frame(&answer, TELL_REFUSED);
    }
    free(answer.bytes);
    free(job);
}

static void *work(void *isolated) {
    // A working directory for each thread. Where that is forbidden there is but one thread.
    if (isolated != NULL) unshare(CLONE_FS);
    for (;;) {
        pthread_mutex_lock(&queue.mutex);
        while (queue.first == NULL && !queue.ended) pthread_cond_wait(&queue.came, &queue.mutex);
        struct job *job = queue.first;
        if (job != NULL) {
            queue.first = job->next;
            if (queue.first == NULL) queue.last = &queue.first;
            queue.count--;
            pthread_cond_signal(&queue.went);
        }
        pthread_mutex_unlock(&queue.mutex);
        if (job == NULL) return NULL;
        carry_out_job(job);
        // No directory is kept from being unmounted.
        if (chdir("/") == -1) _exit(1);
    }
}

static bool read_all(int input, void *bytes, size_t length) {
    for (size_t done = 0; done < length;) {
        ssize_t count = read(input, (uint8_t *)bytes + done, length - done);
        if (count == -1 && errno == EINTR) continue;
        if (count <= 0) return false;
        done += count;
    }
    return true;
}

// NULL at the end of the stream, and when what comes is no message.
static struct job *read_job(int input) {
    uint8_t header[HEADER_BYTES];
    if (!read_all(input, header, sizeof header)) return NULL;
    uint32_t length;
    memcpy(&length, header, sizeof length);
    if (length > MAX_PAYLOAD) return NULL;
    struct job *job = malloc(sizeof *job + length);
    if (job == NULL) _exit(1);
    job->next = NULL;
    job->length = length;
    memcpy(&job->id, header + 4, sizeof job->id);
    job->kind = header[8];
    if (read_all(input, job->payload, length)) return job;
    free(job);
    return NULL;
}

static void give_to_threads(struct job *job) {
    pthread_mutex_lock(&queue.mutex);
    while (queue.count == WAITING) pthread_cond_wait(&queue.went, &queue.mutex);
    *queue.last = job;
    queue.last = &job->next;
    queue.count++;
    pthread_cond_signal(&queue.came);
    pthread_mutex_unlock(&queue.mutex);
}

int serve_files(int input, int output_descriptor) {
    output = output_descriptor;
    signal(SIGPIPE, SIG_IGN);
    // A file that may not grow any more (ulimit -f) is an error, which wiac tells.
    signal(SIGXFSZ, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (chdir("/") == -1) return 1;
    void *isolated = unshare(CLONE_FS) == 0 ? &queue : NULL;
    pthread_t threads[THREADS];
    int count = 0;
    while (count < (isolated != NULL ? THREADS : 1) &&
           pthread_create(&threads[count], NULL, work, isolated) == 0)
        count++;
    if (count == 0) return NO_THREADS;
    for (struct job *job; (job = read_job(input)) != NULL;) give_to_threads(job);
    // What was asked for is still done.
    pthread_mutex_lock(&queue.mutex);
    queue.ended = true;
    pthread_cond_broadcast(&queue.came);
    pthread_mutex_unlock(&queue.mutex);
    for (int index = 0; index < count; index++) pthread_join(threads[index], NULL);
    return 0;
}
