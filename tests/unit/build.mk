# SPDX-License-Identifier: LGPL-2.1-or-later
# The fault-injection test stands between the engine and the C library, too.
$(O)/tests/test-fault: LDFLAGS += -Wl,--wrap=write,--wrap=fsync,--wrap=renameat,--wrap=unlinkat,--wrap=nanosleep
# The time is up at once, or never.
$(O)/tests/test-libvirt-call: LDFLAGS += -Wl,--wrap=pthread_cond_timedwait
