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

$(O)/tests/guests/bench-define: $(call objects,tests/guests/bench-define.c) $(LIBNESTD)
	$(call link,$(COMMON_LIBS))
bench-guests: all $(O)/tests/bench-run $(O)/tests/guests/bench-define
	$(Q)O=$(O) tests/guests/bench
.PHONY: bench-guests
BENCHES += bench-guests

# The rewriter reads what anybody wrote.
fuzz_seconds_guest := 300
