// SPDX-License-Identifier: LGPL-2.1-or-later
/* l1run DEVICE PAYLOAD FLAGS VCPUS [irqchip]: runs the L1 payload, prints its lines. Static, so that it runs in a bare initrd. */
#include <fcntl.h>
#include <sys/stat.h>

#include "macros.h"
#include "vmm.h"

static void print_line(const char *line, void *userdata) {
    puts(line);
    fflush(stdout);
}

int main(int argc, char *argv[]) {
    if (argc < 5 || argc > 6) {
        fprintf(stderr, "usage: %s DEVICE PAYLOAD FLAGS VCPUS [irqchip]\n", argv[0]);
        return 2;
    }
    _cleanup_close_ int fd = open(argv[2], O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) {
        fprintf(stderr, "l1run: %s: %m\n", argv[2]);
        return 2;
    }
    _cleanup_free_ void *image = malloc(st.st_size);
    if (!image || read(fd, image, st.st_size) != st.st_size)
        return 2;
    VmmConfig config = {.device = argv[1], .image = image, .image_size = st.st_size, .memory = 24u << 20,
                        .n_vcpus = strtoul(argv[4], NULL, 0), .flags = strtoul(argv[3], NULL, 0), .line = print_line,
                        .irqchip = argc == 6 && streq(argv[5], "irqchip")};
    VmmStop stop = {};
    int r = vmm_run(&config, &stop);
    if (r == -EIO)
        printf("stop vcpu %u reason %u detail 0x%llx 0x%llx rip 0x%llx\n", stop.vcpu, stop.reason,
               (unsigned long long)stop.detail[0], (unsigned long long)stop.detail[1], (unsigned long long)stop.rip);
    if (r < 0)
        printf("error %s\n", strerror(-r));
    return r < 0;
}
