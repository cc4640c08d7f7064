# SPDX-License-Identifier: LGPL-2.1-or-later
# Emulated hosts: see the first lines of tests/hosts/amd and tests/hosts/intel. Suites: tests/hosts/amd-*.bats, intel-*.bats
CHECKS_VM += check-amd check-intel
check-amd: deb
	$(Q)O=$(O) BATS_LIB_PATH=/usr/lib/bats bats --tap $(wildcard tests/hosts/amd-*.bats)
check-intel: all
	$(Q)O=$(O) BATS_LIB_PATH=/usr/lib/bats bats --tap $(wildcard tests/hosts/intel-*.bats)

demo: deps
	$(Q)+$(MAKE) --no-print-directory -j$(shell nproc) all
	$(Q)+$(MAKE) --no-print-directory deb
	$(Q)O=$(O) tests/hosts/demo
.PHONY: demo check-amd check-intel
