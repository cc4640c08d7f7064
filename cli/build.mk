# SPDX-License-Identifier: LGPL-2.1-or-later
cli_src := $(wildcard cli/*.c)
# Until the engine has landed there is nothing to link with.
ifneq ($(wildcard common/diagnose.c),)
all: $(O)/nestctl
endif
$(O)/nestctl: $(call objects,$(cli_src)) $(LIBNESTD)
	$(call link,$(COMMON_LIBS) $(shell pkg-config --libs libsystemd smartcols))
