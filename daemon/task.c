/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif
#include "caps.h"
#include "log.h"
#include "task.h"

/* A worker's messages are single lines of JSON. A host description is some 10 KiB; what is far beyond is not ours. */
#define TASK_MESSAGE_MAX (4u * 1024 * 1024)

struct worker {
    int fd;
};

struct task {
    sd_event_source *child, *io;
    pid_t pid;
    int fd;
    char *buffer;
    size_t size, allocated;
    struct json_object *result;
    int r;
    bool have_result, eof, exited, too_big;
    int wait_code, wait_status;
    task_progress_t progress;
    task_event_t event;
    task_done_t done;
    void *userdata;
};

static unsigned n_running;

unsigned tasks_running(void) {
    return n_running;
}

/* ------------------------------------------------------------------ worker */

static volatile sig_atomic_t cancelled;

static void on_sigterm(int sig) {
    cancelled = 1;
}

bool worker_cancelled(struct worker *w) {
    return cancelled;
}

static void worker_send(struct worker *w, struct json_object *message) {
    size_t n;
    const char *text = json_object_to_json_string_length(message, JSON_C_TO_STRING_PLAIN, &n);

    for (const char *p = text; p && n > 0;) {
        ssize_t k = write(w->fd, p, n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return; /* the daemon is gone; the journal tells its successor what was done */
        p += k, n -= (size_t)k;
    }
    (void)!write(w->fd, "\n", 1);
}

void worker_progress(struct worker *w, double fraction, const char *what) {
    struct json_object *o = json_object_new_object();

    json_object_object_add(o, "progress", json_object_new_double(fraction));
    if (what)
        json_object_object_add(o, "what", json_object_new_string(what));
    worker_send(w, o);
    json_object_put(o);
}

void worker_event(struct worker *w, struct json_object *event) {
    struct json_object *o = json_object_new_object();

    json_object_object_add(o, "event", json_object_get(event));
    worker_send(w, o);
    json_object_put(o);
}

static _Noreturn void worker_main(pid_t daemon, int fd, task_func_t func, const void *arg) {
    struct worker w = { .fd = 3 };
    struct sigaction term = { .sa_handler = on_sigterm }, dfl = { .sa_handler = SIG_DFL };
    struct json_object *message = json_object_new_object(), *result = NULL;
    sigset_t none;
    int r;

    /* A worker without a daemon stops at the next step and undoes what it did. */
    prctl(PR_SET_NAME, "nestd-worker");
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    sigaction(SIGTERM, &term, NULL);
    sigaction(SIGINT, &dfl, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (getppid() != daemon)
        cancelled = 1;

    /* The bus, the event loop and the journal belong to the daemon. */
    if (fd != w.fd)
        dup3(fd, w.fd, O_CLOEXEC);
    close_range((unsigned)w.fd + 1, ~0U, 0);

    r = caps_raise();
    if (r >= 0)
        r = func(&w, arg, &result);
    json_object_object_add(message, "r", json_object_new_int(r));
    json_object_object_add(message, "result", result);
    worker_send(&w, message);
#ifdef __SANITIZE_ADDRESS__
    __lsan_do_leak_check(); /* _exit() would not */
#endif
    _exit(EXIT_SUCCESS);
}

/* ------------------------------------------------------------------ daemon */

static const char *how_it_ended(const struct task *t, char buffer[static 128]) {
    if (t->too_big)
        return "the worker's answer is too long";
    if (t->wait_code == CLD_KILLED || t->wait_code == CLD_DUMPED)
        snprintf(buffer, 128, "the worker was killed by signal %i (%s)", t->wait_status, strsignal(t->wait_status));
    else
        snprintf(buffer, 128, "the worker ended with status %i and no result", t->wait_status);
    return buffer;
}

static void task_release(struct task *t) {
    sd_event_source_disable_unref(t->child);
    sd_event_source_disable_unref(t->io);
    closep(&t->fd);
    free(t->buffer);
    json_object_put(t->result);
    free(t);
}

static void task_finish(struct task *t) {
    char buffer[128];

    if (!t->eof || !t->exited)
        return;
    n_running--;
    if (t->done)
        t->done(t->have_result ? t->r : -EPROTO, t->result, t->have_result ? NULL : how_it_ended(t, buffer), t->userdata);
    task_release(t);
}

static void task_take_line(struct task *t, const char *line) {
    struct json_object *o = json_tokener_parse(line), *v;

    if (json_object_object_get_ex(o, "progress", &v)) {
        struct json_object *what = NULL;
        json_object_object_get_ex(o, "what", &what);
        if (t->progress)
            t->progress(json_object_get_double(v), what ? json_object_get_string(what) : NULL, t->userdata);
    } else if (json_object_object_get_ex(o, "event", &v)) {
        if (t->event)
            t->event(v, t->userdata);
    } else if (json_object_object_get_ex(o, "r", &v)) {
        t->r = json_object_get_int(v);
        t->have_result = true;
        json_object_put(t->result);
        t->result = json_object_object_get_ex(o, "result", &v) ? json_object_get(v) : NULL;
    }
    json_object_put(o);
}

static void task_take_lines(struct task *t) {
    char *line = t->buffer, *end;

    while ((end = memchr(line, '\n', t->size - (size_t)(line - t->buffer)))) {
        *end = '\0';
        task_take_line(t, line);
        line = end + 1;
    }
    t->size -= (size_t)(line - t->buffer);
    memmove(t->buffer, line, t->size);
}

static int on_output(sd_event_source *source, int fd, uint32_t events, void *userdata) {
    struct task *t = userdata;

    if (t->allocated - t->size < 4096) {
        size_t want = t->allocated ? t->allocated * 2 : 16384;
        char *p = want > TASK_MESSAGE_MAX ? NULL : realloc(t->buffer, want);
        if (!p) {
            t->too_big = true;
            t->have_result = false;
            kill(t->pid, SIGKILL);
            goto eof;
        }
        t->buffer = p;
        t->allocated = want;
    }

    ssize_t n = read(fd, t->buffer + t->size, t->allocated - t->size);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    if (n == 0)
        goto eof;
    t->size += (size_t)n;
    task_take_lines(t);
    return 0;
eof:
    t->io = sd_event_source_disable_unref(t->io);
    t->eof = true;
    task_finish(t);
    return 0;
}

static int on_exit_of_child(sd_event_source *source, const siginfo_t *si, void *userdata) {
    struct task *t = userdata;

    t->child = sd_event_source_disable_unref(t->child);
    t->wait_code = si->si_code;
    t->wait_status = si->si_status;
    t->exited = true;
    task_finish(t);
    return 0;
}

int task_start(sd_event *event, task_func_t func, const void *arg, task_progress_t progress, task_done_t done,
               void *userdata, struct task **ret) {
    _cleanup_close_ int ours = -EBADF, theirs = -EBADF;
    struct task *t;
    int fds[2], r;
    pid_t self = getpid();

    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    ours = fds[0];
    theirs = fds[1];
    if (fcntl(ours, F_SETFL, O_NONBLOCK) < 0)
        return -errno;

    t = calloc(1, sizeof(*t));
    if (!t)
        return -ENOMEM;
    *t = (struct task){ .fd = TAKE_FD(ours), .progress = progress, .done = done, .userdata = userdata };

    t->pid = fork();
    if (t->pid < 0) {
        r = -errno;
        task_release(t);
        return r;
    }
    if (t->pid == 0)
        worker_main(self, theirs, func, arg);

    r = sd_event_add_child(event, &t->child, t->pid, WEXITED, on_exit_of_child, t);
    if (r >= 0)
        r = sd_event_add_io(event, &t->io, t->fd, EPOLLIN, on_output, t);
    if (r < 0) {
        kill(t->pid, SIGTERM);
        task_release(t);
        return r;
    }
    n_running++;
    *ret = t;
    return 0;
}

void task_on_event(struct task *task, task_event_t event) {
    task->event = event;
}

void task_cancel(struct task *task) {
    if (task && !task->exited)
        kill(task->pid, SIGTERM);
}

struct task *task_free(struct task *task) {
    if (task) {
        task->progress = NULL;
        task->event = NULL;
        task->done = NULL;
        task_cancel(task);
    }
    return NULL;
}
