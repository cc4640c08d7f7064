# SPDX-License-Identifier: LGPL-2.1-or-later
cli_src := $(wildcard cli/*.c)
all: $(O)/nestctl
$(O)/nestctl: $(call objects,$(cli_src)) $(LIBNESTD)
	$(call link,$(COMMON_LIBS) $(shell pkg-config --libs libsystemd smartcols))
