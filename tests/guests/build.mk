# SPDX-License-Identifier: LGPL-2.1-or-later
# The rewriter over other people's domain XML, judged by libvirt's schema and by libvirt itself.
guests_programs := $(O)/tests/guests/properties $(O)/tests/guests/define

$(O)/tests/guests/properties: $(call objects,tests/guests/properties.c) $(LIBNESTD)
	$(call link,$(COMMON_LIBS))
$(O)/tests/guests/define: $(call objects,tests/guests/define.c) $(LIBNESTD)
	$(call link,$(COMMON_LIBS) $(shell pkg-config --libs libvirt))
$(O)/tests/guests/keep: $(call objects,tests/guests/keep.c daemon/guest-watch.c daemon/guest-view.c) $(LIBNESTD)
	$(call link,$(COMMON_LIBS) $(shell pkg-config --libs libsystemd))

$(O)/tests/guests/faults: $(call objects,tests/guests/faults.c) $(LIBNESTD)
	$(call link,$(COMMON_LIBS))

# guest.bats runs them.
check-bats: $(O)/tests/guests/keep $(O)/tests/guests/faults
check-guests: $(guests_programs)
	$(Q)tests/guests/run-corpus $(O)
.PHONY: check-guests
CHECKS += check-guests

# nestd with guests and what changes them, under ASan and UBSan; the suites as a whole find nothing more and are much waiting.
CHECKS += check-guests-san
check-guests-san:
	$(Q)+$(MAKE) --no-print-directory -j$(shell nproc) O=$(O)/san SAN=1 $(O)/san/nestd $(O)/san/tests/guests/faults
	$(Q)O=$(O)/san BATS_LIB_PATH=/usr/lib/bats bats --tap -f 'expose, hide, undo|told by signals|changed meanwhile|nestd.conf alone' tests/guests/bus.bats
	$(Q)tests/guests/with-libvirtd $(O)/san/tests/guests/faults && echo "ok 1 - faults, with sanitizers"
.PHONY: check-guests-san

$(O)/tests/guests/bench-define: $(call objects,tests/guests/bench-define.c) $(LIBNESTD)
	$(call link,$(COMMON_LIBS))
bench-guests: all $(O)/tests/bench-run $(O)/tests/guests/bench-define
	$(Q)O=$(O) tests/guests/bench
.PHONY: bench-guests
BENCHES += bench-guests

# The rewriter reads what anybody wrote.
fuzz_seconds_guest := 300
fuzz_runs_guest := 1000000
