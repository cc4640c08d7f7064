# SPDX-License-Identifier: LGPL-2.1-or-later
# nestd over a machine made of files, for tests/daemon/*.bats. The fakes stand before the library, so that the linker
# does not take the real ones.
daemon_fakes := tests/unit/fake-machine.c tests/unit/support-root.c
$(O)/tests/fake-nestd: $(call objects,tests/daemon/fake-nestd.c $(daemon_src) $(daemon_fakes)) $(LIBNESTD)
	$(call link,$(COMMON_LIBS) $(shell pkg-config --libs libsystemd))
$(O)/tests/fake-host: $(call objects,tests/daemon/fake-host.c $(daemon_fakes)) $(LIBNESTD)
	$(call link,$(COMMON_LIBS))
$(O)/tests/test-uevent: $(call objects,tests/daemon/test-uevent.c daemon/uevent.c) $(LIBNESTD)
	$(call link,$(COMMON_LIBS) $(shell pkg-config --libs cmocka))

check-bats: $(O)/tests/fake-nestd $(O)/tests/fake-host
unit_tests += $(O)/tests/test-uevent
check-unit: $(O)/tests/test-uevent

# The same suites under ASan and UBSan; life.bats is all waiting.
CHECKS += check-daemon-san
check-daemon-san:
	$(Q)+$(MAKE) --no-print-directory -j$(shell nproc) O=$(O)/san SAN=1 $(O)/san/nestd $(O)/san/tests/fake-nestd $(O)/san/tests/fake-host
	$(Q)O=$(O)/san BATS_LIB_PATH=/usr/lib/bats bats --tap tests/daemon/host.bats tests/daemon/change.bats tests/daemon/polkit.bats
.PHONY: check-daemon-san
