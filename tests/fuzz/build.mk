# SPDX-License-Identifier: LGPL-2.1-or-later
# Fuzzers: tests/fuzz/fuzz-NAME.c, one libFuzzer program each, with the engine linked in.
# tests/fuzz/corpus/NAME/ (optional) holds what it starts from, tests/fuzz/NAME.dict (optional) its words.
# fuzz_sources_NAME (optional, in any fragment) names more sources to link; fuzz_flags_NAME more libFuzzer flags.
#
#   make fuzz FUZZ_SECONDS=3600     each for an hour; what it finds is kept in build/fuzz/found/
# Without FUZZ_SECONDS: fuzz_seconds_NAME (optional, in any fragment), or 10.
# `make fuzz` breaks new ground every time; check-fuzz has one seed, nothing from runs before, and (setarch -R) one layout of memory,
# on which libFuzzer depends, too (a container may refuse that): what it finds elsewhere it finds here. On a machine that is faster
# than ours it does not go further, either: fuzz_runs_NAME inputs are enough.
fuzz_names   := $(patsubst tests/fuzz/fuzz-%.c,%,$(wildcard tests/fuzz/fuzz-*.c))
FUZZ_SAN     := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

# These are built in a build directory of their own, by clang with its coverage instrumentation.
$(foreach n,$(fuzz_names),$(eval \
  $(O)/fuzz-$n: $(call objects,tests/fuzz/fuzz-$n.c $(fuzz_sources_$n)) $(LIBNESTD)))
$(addprefix $(O)/fuzz-,$(fuzz_names)):
	$(call link,-fsanitize=fuzzer $(COMMON_LIBS) $(shell pkg-config --libs libsystemd))

check-fuzz: FUZZ_SEED := -seed=1
check-fuzz: FUZZ_CORPUS := $(O)/fuzz/corpus-of-check
fuzz: FUZZ_CORPUS := $(O)/fuzz/corpus
fuzz check-fuzz:
	$(Q)+$(MAKE) --no-print-directory -j$(shell nproc) O=$(O)/fuzz CC=clang SAN=1 SANFLAGS='$(FUZZ_SAN)' fuzz-programs
	$(Q)rm -rf $(O)/fuzz/corpus-of-check; mkdir -p $(O)/fuzz/found; failed=0; n=0; fixed="setarch -R"; $$fixed true || fixed=; \
	for j in $(foreach n,$(fuzz_names),$n:$(or $(FUZZ_SECONDS),$(fuzz_seconds_$n),10):$(if $(FUZZ_SECONDS),,$(if $(FUZZ_SEED),$(fuzz_runs_$n)))); do \
	    i=$${j%%:*} t=$${j#*:} r=$${j##*:} n=$$((n + 1)); t=$${t%:*}; mkdir -p $(FUZZ_CORPUS)/$$i; \
	    set -- -max_total_time=$$t -runs=$${r:--1} -timeout=300 -rss_limit_mb=2048 -verbosity=0 -print_final_stats=1 $(FUZZ_SEED) \
	        -artifact_prefix=$(O)/fuzz/found/$$i-; \
	    [ ! -f tests/fuzz/$$i.dict ] || set -- "$$@" -dict=tests/fuzz/$$i.dict; \
	    set -- "$$@" $(FUZZ_CORPUS)/$$i; \
	    [ ! -d tests/fuzz/corpus/$$i ] || set -- "$$@" tests/fuzz/corpus/$$i; \
	    if $$fixed $(O)/fuzz/fuzz-$$i "$$@"; then echo "ok $$n - fuzz $$i, $$t s at most"; \
	    else echo "not ok $$n - fuzz $$i"; failed=1; fi; \
	done; [ $$n != 0 ] || echo "ok 1 - fuzz # skip no fuzzers"; exit $$failed
# The fuzzers of kmod/core find what is broken on purpose.
fuzz-mutants:
	$(Q)tests/fuzz/run-mutants $(O)
fuzz-programs: $(addprefix $(O)/fuzz-,$(fuzz_names))
.PHONY: fuzz check-fuzz fuzz-programs fuzz-mutants
