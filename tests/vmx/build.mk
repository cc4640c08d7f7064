# SPDX-License-Identifier: LGPL-2.1-or-later
# nestvmx on the emulated Intel host.
core_host := $(O)/l1run $(O)/payload.bin $(O)/nest.bin $(O)/kmod/nestvmx.ko $(O)/witness/witness.ko $(O)/limits $(O)/events
# check-kmod needs no emulated host, but what these targets build must not be built twice at a time.
CHECKS_VM += check-kmod check-core-host check-entry check-qemu

check-kmod: $(O)/kmod/nestvmx.ko
	$(Q)tests/vmx/check-kmod $(O)/kmod $(KDIR)

check-core-host: $(core_host)
	$(Q)O=$(O) tests/vmx/check-core-host
check-entry: $(core_host) $(O)/bare.elf
	$(Q)O=$(O) tests/vmx/check-entry
bench-core: $(core_host)
	$(Q)O=$(O) tests/vmx/bench-core
# Unmodified QEMU on nestvmx. check-qemu-linux, with a Linux that runs an L2, is not part of check: it takes a minute or more.
check-qemu: $(O)/kmod/nestvmx.ko
	$(Q)O=$(O) tests/vmx/check-qemu
check-qemu-linux: $(O)/kmod/nestvmx.ko
	$(Q)O=$(O) tests/vmx/check-qemu --linux
# kvm-unit-tests, by hand: tests/vmx/check-kut says how to get KUT.
check-kut: $(O)/kmod/nestvmx.ko
	$(Q)O=$(O) KUT_ONLY='$(KUT_ONLY)' tests/vmx/check-kut "$(or $(KUT),$(error KUT=path/to/vmx.flat is missing; tests/vmx/check-kut says how to build it))"
.PHONY: check-qemu check-qemu-linux check-kut
# Not part of check: it downloads several hundred MB for each suite the first time.
check-kernels:
	$(Q)O=$(O) tests/vmx/check-kernels
.PHONY: check-kmod check-core-host check-entry bench-core check-kernels

$(O)/limits $(O)/events: $(O)/%: tests/vmx/%.c
	$(if $(V),,@echo "  LINK    $@")
	$(Q)mkdir -p $(@D) && $(CC) -std=gnu11 -D_GNU_SOURCE $(WARN) -O2 -g -static $< -o $@

# An L1 that nests: kmod/core on a machine of its own, with the L1 payload inside as L2 (tests/vmx/nest).
nest_runtime := start.S runtime.c l1.c
nest_obj := $(patsubst %,$(O)/payload/%.o,$(nest_runtime)) \
            $(patsubst %,$(O)/nest/%.o,$(wildcard tests/vmx/nest/*.[cS] kmod/core/*.c))
$(O)/nest/%.o: % $(wildcard tests/vmx/nest/*.h kmod/core/*.h common/payload/*.h) $(O)/payload.bin kmod/build.mk
	$(Q)mkdir -p $(@D)
	$(if $(V),,@echo "  CC      $<")
	$(Q)$(CC) $(PAYLOAD_FLAGS) -Wno-unused-parameter -iquote . -Wa,-I$(O) -c $< -o $@
$(O)/nest.elf: $(nest_obj) common/payload/payload.lds
	$(Q)$(CC) -nostdlib -static -no-pie -Wl,-T,common/payload/payload.lds,--build-id=none,-z,norelro,-z,noexecstack,--no-warn-rwx-segments \
	    $(nest_obj) -o $@
$(O)/nest.bin: $(O)/nest.elf
	$(Q)objcopy -O binary $< $@

$(O)/witness/witness.ko: tests/vmx/witness/witness.c tests/vmx/witness/Kbuild
	$(Q)mkdir -p $(@D) && cp $^ $(@D)
	$(Q)MAKEFLAGS= $(MAKE) --no-print-directory -C $(KDIR) M=$(abspath $(@D)) W=1 modules
