# SPDX-License-Identifier: LGPL-2.1-or-later
# libnestd.a: the engine. libvirt and libxml2 are opened when first needed (common/dl-*.c), because loading them
# costs more than all of `nestctl status`.
common_src := $(wildcard common/*.c)
LIBNESTD   := $(O)/libnestd.a
COMMON_LIBS = $(shell pkg-config --libs json-c libkmod libcap inih) -ldl

# A file that is gone must not live on in the archive.
$(O)/libnestd.sources: FORCE
	$(Q)mkdir -p $(@D)
	$(Q)echo '$(common_src)' | cmp -s - $@ || echo '$(common_src)' >$@

$(LIBNESTD): $(call objects,$(common_src)) $(O)/libnestd.sources
	$(if $(V),,@echo "  AR      $@")
	$(Q)rm -f $@ && ar rcs $@ $(filter %.o,$^)
