/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <linux/filter.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include "common/text.h"
#include "uevent.h"

/* Multicast group 1 is the kernel's. udev's (2) does not reach into a network namespace of our own; the kernel's does
 * (uevent_net_broadcast_untagged(), to every one owned by the initial user namespace). */
#define GROUP_KERNEL 1

#define WORD(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))
#define SET_X(value) BPF_STMT(BPF_LDX | BPF_W | BPF_IMM, value)
#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)
#define LOAD_X(offset) BPF_STMT(BPF_LD | BPF_W | BPF_IND, offset)
#define IF(word, to_yes, to_no, here) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, word, (to_yes) - (here) - 1, (to_no) - (here) - 1)
enum { MODULE = 11, ACCEPT = 16, DROP = 17 };

/* add@/module/kvm*, add@/module/nes*, remove@/module/ *, *@/devices/virtual/misc/kvm
 * A load beyond the end drops the packet (Documentation/networking/filter.rst). */
static struct sock_filter filter[] = {
    /* 0 */ SET_X(4), /* where the path begins: after "add@" ... */
    /* 1 */ LOAD(0),
    /* 2 */ IF(WORD('a', 'd', 'd', '@'), 4, 3, 2),
    /* 3 */ SET_X(7), /* ... or "remove@", "change@" */
    /* 4 */ LOAD_X(0),
    /* 5 */ IF(WORD('/', 'm', 'o', 'd'), MODULE, 6, 5),
    /* 6 */ IF(WORD('/', 'd', 'e', 'v'), 7, DROP, 6),
    /* 7 */ LOAD_X(16), /* "/devices/virtual" */
    /* 8 */ IF(WORD('/', 'm', 'i', 's'), 9, DROP, 8),
    /* 9 */ LOAD_X(21),
    /* 10 */ IF(WORD('/', 'k', 'v', 'm'), ACCEPT, DROP, 10),
    [MODULE] = LOAD(0),
    /* 12 */ IF(WORD('r', 'e', 'm', 'o'), ACCEPT, 13, 12),
    /* 13 */ LOAD_X(7), /* "/module" */
    /* 14 */ IF(WORD('/', 'k', 'v', 'm'), ACCEPT, 15, 14),
    /* 15 */ IF(WORD('/', 'n', 'e', 's'), ACCEPT, DROP, 15),
    [ACCEPT] = BPF_STMT(BPF_RET | BPF_K, UEVENT_MAX),
    [DROP] = BPF_STMT(BPF_RET | BPF_K, 0),
};

int uevent_attach_filter(int fd) {
    const struct sock_fprog program = { .len = ELEMENTSOF(filter), .filter = filter };

    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno : 0;
}

int uevent_open(void) {
    const struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = GROUP_KERNEL };
    _cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
    int r;

    if (fd < 0)
        return -errno;
    if ((r = uevent_attach_filter(fd)) < 0)
        return r;
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return -errno;
    return TAKE_FD(fd);
}

/* The value of KEY= among the strings after the first, or NULL. */
static const char *uevent_value(const char *message, size_t size, const char *key) {
    const char *end = message + size, *value;

    for (const char *s = message; s < end; s += strlen(s) + 1)
        if ((value = startswith(s, key)))
            return value;
    return NULL;
}

enum uevent_kind uevent_parse(const char *message, size_t size, unsigned *ret_vms) {
    const char *path, *event, *count;
    unsigned vms = 0;

    if (size == 0 || message[size - 1] != '\0' || !(path = strchr(message, '@')))
        return UEVENT_OTHER;
    path++;
    if (startswith(path, "/module/"))
        return UEVENT_MODULE;
    if (!streq(path, "/devices/virtual/misc/kvm"))
        return UEVENT_OTHER;
    if (!startswith(message, "change@"))
        return UEVENT_MODULE;

    event = uevent_value(message, size, "EVENT=");
    count = uevent_value(message, size, "COUNT=");
    if (!event || !count || text_to_unsigned(count, &vms) < 0)
        return UEVENT_OTHER;
    *ret_vms = vms;
    return streq(event, "destroy") ? UEVENT_VM_DESTROYED : UEVENT_VM_CREATED;
}

int uevent_read(int fd, enum uevent_kind *ret, unsigned *ret_vms) {
    struct sockaddr_nl from = {};
    char buffer[UEVENT_MAX];
    struct iovec iov = { buffer, sizeof(buffer) };
    struct msghdr header = { .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1 };
    ssize_t n = recvmsg(fd, &header, 0);

    if (n < 0)
        return -errno;
    *ret_vms = 0;
    /* Whoever may send to the group may claim anything; only the kernel has port 0. */
    *ret = from.nl_pid == 0 && !(header.msg_flags & MSG_TRUNC) ? uevent_parse(buffer, (size_t)n, ret_vms) : UEVENT_OTHER;
    return 0;
}
