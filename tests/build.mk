# SPDX-License-Identifier: LGPL-2.1-or-later
# C unit tests: tests/unit/test-NAME.c, one program each, cmocka. tests/unit/support*.c is linked into each.
unit_src   := $(wildcard tests/unit/test-*.c)
unit_tests := $(patsubst tests/unit/%.c,$(O)/tests/%,$(unit_src))
unit_support := $(filter-out $(unit_src),$(wildcard tests/unit/*.c))

$(unit_tests): $(O)/tests/%: $(O)/obj/tests/unit/%.o $(call objects,$(unit_support)) $(LIBNESTD)
	$(call link,$(COMMON_LIBS) $(shell pkg-config --libs cmocka libsystemd))

check-unit: $(unit_tests)
	$(Q)failed=; for t in $(unit_tests); do echo "  TEST    $$t"; $$t || failed="$$failed $$t"; done; \
	[ -z "$$failed" ] || { echo "failed:$$failed"; exit 1; }
.PHONY: check-unit
.SECONDARY: $(call objects,$(unit_src) $(unit_support))

# `make check` runs these targets and counts the TAP and cmocka results they print (tests/run-checks). A fragment adds its
# own with +=. The two lists run side by side: CHECKS_VM is what waits for emulated hosts, CHECKS all the rest.
CHECKS    += check-clang check-unit check-san check-bats check-lint check-fuzz
CHECKS_VM +=

# Some tests need a root, none needs the machine's: who is none gets one of a user namespace.
AS_ROOT := $(if $(SUDO),unshare --map-root-user --map-auto)
check: deps
	$(Q)+$(MAKE) --no-print-directory -j$(shell nproc) WERROR=-Werror all $(unit_tests)
	$(Q)+$(AS_ROOT) env O=$(O) MAKE='$(MAKE)' tests/run-checks "$(CHECKS)" "$(CHECKS_VM)"
check-vm: deps
	$(Q)+$(MAKE) --no-print-directory -j$(shell nproc) all
	$(Q)+$(AS_ROOT) env O=$(O) MAKE='$(MAKE)' tests/run-checks "" "$(CHECKS_VM)"

# The same sources, the other compiler.
check-clang:
	$(Q)+$(MAKE) --no-print-directory -j$(shell nproc) O=$(O)/clang CC=clang WERROR=-Werror all $(patsubst $(O)/%,$(O)/clang/%,$(unit_tests))
	@echo "ok 1 - builds with clang, no warnings"
check-san:
	$(Q)+$(MAKE) --no-print-directory -j$(shell nproc) O=$(O)/san SAN=1 check-unit

# Everything in bats that needs no emulated host.
bats_suites = $(filter-out tests/hosts/%,$(wildcard tests/*/*.bats))
check-bats: all
	$(Q)[ -n "$(bats_suites)" ] || { echo "ok 1 - bats # skip no suites"; exit 0; }; O=$(O) BATS_LIB_PATH=/usr/lib/bats bats --tap $(bats_suites)
.PHONY: check check-vm check-clang check-san check-bats
