# SPDX-License-Identifier: LGPL-2.1-or-later
# nestctl without nestd over the machine made of files that tests/daemon has.
cli_fakes := tests/daemon/fake-nestd.c tests/unit/fake-machine.c tests/unit/support-root.c
$(O)/tests/fake-nestctl: $(call objects,$(cli_fakes) $(cli_src)) $(LIBNESTD)
	$(call link,$(COMMON_LIBS) $(shell pkg-config --libs libsystemd smartcols))
check-bats: $(O)/tests/fake-nestctl
