# SPDX-License-Identifier: LGPL-2.1-or-later
# The fault-injection test stands between the engine and the C library, too.
$(O)/tests/test-fault: LDFLAGS += -Wl,--wrap=write,--wrap=fsync,--wrap=renameat,--wrap=unlinkat,--wrap=nanosleep
