# SPDX-License-Identifier: LGPL-2.1-or-later
# C unit tests: tests/unit/test-NAME.c, one program each, cmocka. tests/unit/support*.c is linked into each.
unit_src   := $(wildcard tests/unit/test-*.c)
unit_tests := $(patsubst tests/unit/%.c,$(O)/tests/%,$(unit_src))
unit_support := $(filter-out $(unit_src),$(wildcard tests/unit/*.c))

$(unit_tests): $(O)/tests/%: $(O)/obj/tests/unit/%.o $(call objects,$(unit_support)) $(LIBNESTD)
	$(call link,$(COMMON_LIBS) $(shell pkg-config --libs cmocka libsystemd))

check-unit: $(unit_tests)
	$(Q)set -e; for t in $(unit_tests); do echo "  TEST    $$t"; $$t; done
.PHONY: check-unit
.SECONDARY: $(call objects,$(unit_src) $(unit_support))
