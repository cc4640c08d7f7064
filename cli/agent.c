/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "agent.h"

enum { READY_TIMEOUT_MS = 10000 };

static pid_t agent;

static void run_agent(int ready_fd) {
    char fd[16];

    snprintf(fd, sizeof(fd), "%d", ready_fd);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    execlp("pkttyagent", "pkttyagent", "--notify-fd", fd, "--fallback", (char *)NULL);
    _exit(127);
}

void agent_start(const struct options *options) {
    int fd[2];

    if (agent > 0 || options->host || geteuid() == 0 || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO) ||
        pipe(fd) < 0)
        return;
    (void)fcntl(fd[0], F_SETFD, FD_CLOEXEC);
    agent = fork();
    if (agent == 0)
        run_agent(fd[1]);
    close(fd[1]);
    /* It closes its end when it is registered, or by dying. */
    if (agent > 0)
        (void)poll(&(struct pollfd){.fd = fd[0], .events = POLLIN}, 1, READY_TIMEOUT_MS);
    close(fd[0]);
}

void agent_stop(void) {
    if (agent <= 0)
        return;
    (void)kill(agent, SIGTERM);
    (void)kill(agent, SIGCONT);
    while (waitpid(agent, NULL, 0) < 0 && errno == EINTR)
        ;
    agent = 0;
}
