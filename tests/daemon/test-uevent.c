/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The filter runs in the kernel, on a socket pair: what comes out is what would wake nestd. */
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <cmocka.h>
#include "daemon/uevent.h"

#define MESSAGE(text) text "\0", sizeof(text "\0") - 1

static const struct {
    const char *message;
    size_t size;
    bool passes;
    enum uevent_kind kind;
    unsigned vms;
} cases[] = {
    { MESSAGE("add@/module/kvm_amd\0ACTION=add"), true, UEVENT_MODULE, 0 },
    { MESSAGE("add@/module/kvm\0ACTION=add"), true, UEVENT_MODULE, 0 },
    { MESSAGE("add@/module/nestvmx\0ACTION=add"), true, UEVENT_MODULE, 0 },
    { MESSAGE("remove@/module/kvm_intel\0ACTION=remove"), true, UEVENT_MODULE, 0 },
    { MESSAGE("remove@/module/vhost_net\0ACTION=remove"), true, UEVENT_MODULE, 0 },
    { MESSAGE("add@/devices/virtual/misc/kvm\0ACTION=add"), true, UEVENT_MODULE, 0 },
    { MESSAGE("remove@/devices/virtual/misc/kvm\0ACTION=remove"), true, UEVENT_MODULE, 0 },
    { MESSAGE("change@/devices/virtual/misc/kvm\0ACTION=change\0CREATED=4\0COUNT=2\0EVENT=create\0PID=12"), true, UEVENT_VM_CREATED, 2 },
    { MESSAGE("change@/devices/virtual/misc/kvm\0ACTION=change\0CREATED=4\0COUNT=0\0EVENT=destroy\0PID=12"), true, UEVENT_VM_DESTROYED, 0 },
    { MESSAGE("change@/devices/virtual/misc/kvm\0ACTION=change\0SYNTH_UUID=0"), true, UEVENT_OTHER, 0 },
    { MESSAGE("change@/devices/virtual/misc/kvm\0COUNT=x\0EVENT=destroy"), true, UEVENT_OTHER, 0 },
    { MESSAGE("add@/module/vhost_net\0ACTION=add"), false, UEVENT_MODULE, 0 },
    { MESSAGE("change@/devices/pci0000:00/0000:00:04.0/virtio1/block/vda\0ACTION=change"), false, UEVENT_OTHER, 0 },
    { MESSAGE("add@/devices/virtual/net/vnet0\0ACTION=add"), false, UEVENT_OTHER, 0 },
    { MESSAGE("add@/devices/virtual/misc/tun\0ACTION=add"), false, UEVENT_OTHER, 0 },
    { MESSAGE("add@/kernel/slab/kvm_vcpu\0ACTION=add"), false, UEVENT_OTHER, 0 },
    { MESSAGE("libudev\0\xfe\xed\xca\xfe"), false, UEVENT_OTHER, 0 },
    { MESSAGE("x"), false, UEVENT_OTHER, 0 },
};

static void test_filter(void **state) {
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds), 0);
    assert_int_equal(uevent_attach_filter(fds[1]), 0);
    FOREACH_ARRAY(c, cases, ELEMENTSOF(cases)) {
        char buffer[UEVENT_MAX];

        (void)!send(fds[0], c->message, c->size, 0); /* -EPERM where the filter says no */
        ssize_t n = recv(fds[1], buffer, sizeof(buffer), 0);
        if ((n >= 0) != c->passes)
            fail_msg("%s: %s", c->message, c->passes ? "held back" : "let through");
    }
    close(fds[0]);
    close(fds[1]);
}

static void test_parse(void **state) {
    FOREACH_ARRAY(c, cases, ELEMENTSOF(cases)) {
        unsigned vms = 0;
        enum uevent_kind kind = uevent_parse(c->message, c->size, &vms);

        if (kind != c->kind || vms != c->vms)
            fail_msg("%s: kind %d, %u VMs", c->message, (int)kind, vms);
    }
}

/* Whatever is cut off anywhere: no read beyond the end. */
static void test_parse_cut(void **state) {
    FOREACH_ARRAY(c, cases, ELEMENTSOF(cases))
        for (size_t n = 0; n <= c->size; n++) {
            char *copy = malloc(n ? n : 1);
            unsigned vms;

            memcpy(copy, c->message, n);
            (void)uevent_parse(copy, n, &vms);
            free(copy);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filter),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_parse_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
