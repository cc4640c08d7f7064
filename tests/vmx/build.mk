# SPDX-License-Identifier: LGPL-2.1-or-later
# nestvmx on the emulated Intel host.
core_host := $(O)/l1run $(O)/payload.bin $(O)/kmod/nestvmx.ko
CHECKS_VM += check-core-host

check-core-host: $(core_host)
	$(Q)O=$(O) tests/vmx/check-core-host
bench-core: $(core_host)
	$(Q)O=$(O) tests/vmx/bench-core
.PHONY: check-core-host bench-core
