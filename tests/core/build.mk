# SPDX-License-Identifier: LGPL-2.1-or-later
# kmod/core in user space: unit tests over the mock machine (also with sanitizers), the mutants that show that the tests for bug
# classes can fail, and line coverage of at least CORE_COVERAGE per cent.
core_obj   := $(call objects,$(wildcard kmod/core/*.c))
core_tests := $(patsubst tests/core/%.c,$(O)/tests/core-%,$(wildcard tests/core/test-*.c))
CORE_COVERAGE := 90

# The core's files include nothing of ours; the mock's names are its own.
$(core_tests): $(O)/tests/core-%: $(O)/obj/tests/core/%.o $(O)/obj/tests/core/mock.o $(O)/obj/tests/core/mock-l2.o $(core_obj)
	$(call link,$(shell pkg-config --libs cmocka))
.SECONDARY: $(call objects,$(wildcard tests/core/*.c))

core-tests: $(core_tests)
	$(Q)failed=; for t in $(core_tests); do echo "  TEST    $$t"; $$t || failed="$$failed $$t"; done; \
	[ -z "$$failed" ] || { echo "failed:$$failed"; exit 1; }

check-core: core-tests
	$(Q)+$(MAKE) --no-print-directory O=$(O)/san SAN=1 core-tests
	$(Q)tests/core/run-mutants $(O)
	$(Q)+$(MAKE) --no-print-directory core-coverage
.PHONY: check-core core-tests core-coverage
CHECKS += check-core

# Built apart, without optimisation; gcov's JSON is what counts.
core-coverage:
	$(Q)rm -rf $(O)/cov/obj $(O)/cov/tests
	$(Q)+$(MAKE) --no-print-directory O=$(O)/cov CFLAGS='-O0 -g --coverage' LDFLAGS=--coverage HARDEN= core-tests >$(O)/cov.log 2>&1 || { cat $(O)/cov.log; exit 1; }
	$(Q)tests/core/coverage $(O)/cov/obj/kmod/core $(CORE_COVERAGE)

# tests/fuzz/fuzz-core.c and the like
fuzz_mock := tests/core/mock.c tests/core/mock-l2.c $(wildcard kmod/core/*.c)
fuzz_sources_core := tests/fuzz/nested.c $(fuzz_mock)
fuzz_sources_ept12 := tests/fuzz/nested.c $(fuzz_mock)
fuzz_sources_vmcs12 := tests/fuzz/nested.c $(fuzz_mock)
fuzz_sources_shadow := tests/fuzz/nested.c $(fuzz_mock)
fuzz_seconds_core := 180
fuzz_seconds_ept12 := 170
fuzz_seconds_vmcs12 := 170
fuzz_seconds_shadow := 80
fuzz_runs_core := 60000
fuzz_runs_ept12 := 35000
fuzz_runs_vmcs12 := 100000
fuzz_runs_shadow := 32000
