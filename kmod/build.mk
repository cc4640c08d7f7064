# SPDX-License-Identifier: GPL-2.0-only
# nestvmx: the kernel core. kmod/core is also built for user space, where it is tested.

# The L1 payload and the runner its tests use. The payload is freestanding: no red zone (exceptions), no SSE, no libc.
payload_src   := $(filter-out %/bare.S,$(wildcard common/payload/*.c common/payload/*.S))
payload_obj   := $(patsubst common/payload/%,$(O)/payload/%.o,$(payload_src))
PAYLOAD_FLAGS := -std=gnu11 -O2 -ffreestanding -fno-pic -fno-pie -mcmodel=small -mno-red-zone -mgeneral-regs-only \
                 -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables -fno-strict-aliasing -Wall -Wextra

$(O)/payload/%.o: common/payload/% $(wildcard common/payload/*.h) kmod/build.mk
	$(Q)mkdir -p $(@D)
	$(if $(V),,@echo "  CC      $<")
	$(Q)$(CC) $(PAYLOAD_FLAGS) -c $< -o $@

$(O)/payload.elf: $(payload_obj) common/payload/payload.lds
	$(Q)$(CC) -nostdlib -static -no-pie -Wl,-T,common/payload/payload.lds,--build-id=none,-z,norelro,-z,noexecstack,--no-warn-rwx-segments \
	    $(payload_obj) -o $@
$(O)/payload.bin: $(O)/payload.elf
	$(Q)objcopy -O binary $< $@

$(O)/l1run: tests/vmx/l1run.c common/vmm.c common/vmm.h common/payload/abi.h
	$(Q)mkdir -p $(@D)
	$(if $(V),,@echo "  LINK    $@")
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -Icommon $(WARN) -O2 -g -static -pthread tests/vmx/l1run.c common/vmm.c -o $@

# The payload as a kernel of its own: bare.S at 2 MiB above the image, entered there.
$(O)/bare.elf: $(O)/payload.bin $(O)/payload/bare.S.o
	$(Q)cd $(O) && $(LD) -r -b binary payload.bin -o payload/image.o
	$(Q)$(LD) -static --no-warn-rwx-segments -e bare_start -Ttext=0x7f0000 --section-start=.data=0x100000 $(O)/payload/bare.S.o $(O)/payload/image.o -o $@

payload: $(O)/payload.bin $(O)/l1run
.PHONY: payload

# nestvmx.ko, out of tree against installed headers. Kbuild writes beside its sources, so it gets copies below $(O).
KDIR     ?= $(lastword $(sort $(wildcard /lib/modules/*/build)))
kmod_src := $(wildcard kmod/core/*.[ch] kmod/linux/*.[chS] kmod/uapi/*.h) kmod/Kbuild

$(O)/kmod/nestvmx.ko: $(kmod_src)
	$(Q)mkdir -p $(@D)/core $(@D)/linux $(@D)/uapi
	$(Q)for f in $(kmod_src:kmod/%=%); do cmp -s kmod/$$f $(@D)/$$f || cp kmod/$$f $(@D)/$$f; done
	@# O=, CC= and the like of our command line mean something else to Kbuild.
	$(Q)MAKEFLAGS= $(MAKE) -j$(shell nproc) --no-print-directory -C $(KDIR) M=$(abspath $(@D)) W=1 modules
	$(Q)touch $@

kmod: $(O)/kmod/nestvmx.ko
.PHONY: kmod
