# SPDX-License-Identifier: LGPL-2.1-or-later
cli_src := $(wildcard cli/*.c)
ifneq ($(cli_src),)
all: $(O)/nestctl
endif
$(O)/nestctl: $(call objects,$(cli_src)) $(LIBNESTD)
	$(call link,$(COMMON_LIBS) $(shell pkg-config --libs libsystemd smartcols))
