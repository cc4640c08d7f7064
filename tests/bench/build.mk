# SPDX-License-Identifier: LGPL-2.1-or-later
# make bench: ratios against what people use today, into $(O)/bench/. A figure never fails it. A fragment adds its own
# target with +=.
BENCHES += bench-host

bench: deps
	$(Q)+$(MAKE) --no-print-directory all
	$(Q)+$(MAKE) --no-print-directory -j1 $(BENCHES)
bench-host: all $(O)/tests/bench-dbus $(O)/tests/bench-run
	$(Q)O=$(O) tests/bench/host
$(O)/tests/bench-dbus $(O)/tests/bench-run: $(O)/tests/%: $(O)/obj/tests/bench/%.o
	$(call link,$(shell pkg-config --libs libsystemd))
.PHONY: bench bench-host
