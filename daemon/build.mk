# SPDX-License-Identifier: LGPL-2.1-or-later
daemon_src := $(wildcard daemon/*.c)
ifneq ($(daemon_src),)
all: $(O)/nestd
endif
$(O)/nestd: $(call objects,$(daemon_src)) $(LIBNESTD)
	$(call link,$(COMMON_LIBS) $(shell pkg-config --libs libsystemd))
