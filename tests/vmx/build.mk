# SPDX-License-Identifier: LGPL-2.1-or-later
# nestvmx on the emulated Intel host.
core_host := $(O)/l1run $(O)/payload.bin $(O)/kmod/nestvmx.ko
CHECKS_VM += check-core-host check-entry

check-core-host: $(core_host)
	$(Q)O=$(O) tests/vmx/check-core-host
check-entry: $(core_host) $(O)/bare.elf
	$(Q)O=$(O) tests/vmx/check-entry
bench-core: $(core_host)
	$(Q)O=$(O) tests/vmx/bench-core
# Not part of check: it downloads several hundred MB for each suite the first time.
check-kernels:
	$(Q)O=$(O) tests/vmx/check-kernels
.PHONY: check-core-host check-entry bench-core check-kernels
