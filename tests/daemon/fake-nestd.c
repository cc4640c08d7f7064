/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* build/tests/fake-nestd: nestd as it is, over a machine made of files (fake-host.c). Files in $FAKE_DIR say what happens
 * to a worker, each once but the first:
 *   gate         whatever it does to the machine waits while this is there; "waits" is there when it does
 *   fail-KIND    the next load, unload, ... fails
 *   kill-KIND    it dies before the next load, unload, ...
 *   killall-KIND and the daemon with it */
#include <fcntl.h>
#include <signal.h>
#include "tests/unit/fake-actors.h"

static const char *file(const char *what, const char *kind) {
    static char path[4096];

    snprintf(path, sizeof(path), "%s/%s%s", strempty(getenv("FAKE_DIR")), what, kind);
    return path;
}

static void wait_at_gate(void) {
    int fd;

    if (access(file("gate", ""), F_OK) < 0)
        return;
    if ((fd = creat(file("waits", ""), 0644)) >= 0)
        close(fd);
    while (access(file("gate", ""), F_OK) == 0)
        usleep(10000);
    (void)unlink(file("waits", ""));
}

static void hook(enum fake_kind kind) {
    wait_at_gate();
    if (unlink(file("fail-", fake_kinds[kind])) == 0)
        fake_fault = (struct fake_fault){ FAULT_FAIL, fake_events - 1, EIO };
    if (unlink(file("killall-", fake_kinds[kind])) == 0) {
        kill(getppid(), SIGKILL);
        raise(SIGKILL);
    }
    if (unlink(file("kill-", fake_kinds[kind])) == 0)
        raise(SIGKILL);
}

__attribute__((constructor)) static void set_hook(void) {
    fake_hook = hook;
}
