/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bench-run COMMAND...: runs it once, output thrown away, and prints "USEC KIB CODE": wall time, peak resident size, exit
 * code. Small itself, because the peak of a child counts what its parent had in memory when it forked. */
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include "macros.h"

int main(int argc, char *argv[]) {
    struct timespec begin, end;
    struct rusage usage;
    int status;
    pid_t pid;

    if (argc < 2)
        return 2;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    pid = vfork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);

        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        execvp(argv[1], argv + 1);
        _exit(127);
    }
    if (pid < 0 || wait4(pid, &status, 0, &usage) < 0)
        return 1;
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("%.1f %ld %d\n", (end.tv_sec - begin.tv_sec) * 1e6 + (end.tv_nsec - begin.tv_nsec) / 1e3, usage.ru_maxrss,
           WIFEXITED(status) ? WEXITSTATUS(status) : 128);
    return 0;
}
