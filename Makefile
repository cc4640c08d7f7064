# SPDX-License-Identifier: LGPL-2.1-or-later
# One non-recursive build: each directory's build.mk adds its targets; everything is made below $(O).
#
#   make deps      install what building and testing need (Debian packages, by name)
#   make           build/nestctl, build/nestd
#   make check     every test: units, sanitizers, CLI, D-Bus, lint, fuzzers, emulated hosts
#   make check-vm  only what runs on the emulated hosts
#   make check-kernels  nestvmx.ko against the headers of Debian 12, 13, its backports and unstable (downloads them once)
#   make demo      boots an emulated AMD host and does the main job there
#   make bench     ratios against what people use today, into build/bench/
O       ?= build
VERSION := 0.1
PREFIX  ?= /usr
DESTDIR ?=
ifeq ($(origin CC),default)
CC      := gcc
endif
Q       := $(if $(V),,@)

WARN     := -Wall -Wextra -Wstrict-prototypes -Wmissing-prototypes -Wshadow -Wpointer-arith -Wwrite-strings \
            -Wundef -Wformat=2 -Wno-format-nonliteral -Wno-unused-parameter -Wno-missing-field-initializers \
            -Wno-gnu-variable-sized-type-not-at-end $(WERROR)
HARDEN   := -fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE
CFLAGS   ?= -O2 -g
# _FORTIFY_SOURCE and the sanitizers do not mix, nor does it work unoptimised.
ifeq ($(SAN),)
HARDEN   += -D_FORTIFY_SOURCE=2
else
SANFLAGS := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
# libvirt's. ASan looks for what it intercepts when the program starts, and calls NULL if it is opened only later.
SANLIBS  := -Wl,--no-as-needed -l:libtirpc.so.3 -Wl,--as-needed
endif
# := would run pkg-config before `make deps` could install it.
pkgs      = libsystemd json-c libkmod libcap smartcols inih
PKGFLAGS  = $(eval PKGFLAGS := $$(shell pkg-config --cflags $(pkgs) libvirt libxml-2.0))$(PKGFLAGS)
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE -iquote . -iquote common -include common/config.h -DNESTD_VERSION='"$(VERSION)"' \
             $(WARN) $(HARDEN) $(SANFLAGS) $(PKGFLAGS) $(CFLAGS)
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now,--as-needed $(SANFLAGS) $(SANLIBS) $(LDFLAGS)

.DELETE_ON_ERROR:
.SUFFIXES:
all:
FORCE:

# $(call objects,SOURCES): the object files of these sources
objects = $(patsubst %.c,$(O)/obj/%.o,$(1))

$(O)/obj/%.o: %.c Makefile
	$(Q)mkdir -p $(@D)
	$(if $(V),,@echo "  CC      $<")
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

# $(call link,LIBRARIES): link the target from its objects and archives
define link
$(Q)mkdir -p $(@D)
$(if $(V),,@echo "  LINK    $@")
$(Q)$(CC) $(ALL_LDFLAGS) $(filter %.o %.a,$^) -o $@ $(1)
endef

# Debian 12 package names, each list in alphabetical order.
DEPS_BUILD := build-essential libcap-dev libinih-dev libjson-c-dev libkmod-dev libsmartcols-dev libsystemd-dev \
              libvirt-dev libxml2-dev linux-headers-amd64 pkg-config
DEPS_TEST  := bats bats-assert bats-file bats-support clang clang-format cpio dbus e2fsprogs fakeroot hyperfine \
              ipxe-qemu lcov libclang-rt-dev libcmocka-dev libvirt-clients libvirt-daemon libxml2-utils llvm mandoc kmod mmdebstrap polkitd python3 \
              python3-dbus python3-dbusmock qemu-system-x86 qemu-utils seabios shellcheck sparse virtinst xz-utils zstd
DEPS_DEB   := debhelper dh-dkms
# A user's mmdebstrap needs subordinate ids.
ifneq ($(shell id -u),0)
SUDO       := sudo
DEPS_TEST  += uidmap
endif

DEPS       := $(DEPS_BUILD) $(DEPS_TEST) $(DEPS_DEB)

# apt-get is not even started when nothing is missing. A mirror that fails now may do in a minute.
deps:
	$(Q)have=$$(dpkg-query -W -f='$${db:Status-Status} $${Package}\n' $(DEPS) 2>/dev/null | sed -n 's/^installed //p'); \
	missing=$$(printf '%s\n' $(DEPS) | grep -vxF "$$have"); \
	[ -n "$$missing" ] || exit 0; \
	for pause in 20 60 0; do \
	    (set -x; $(SUDO) apt-get update -q -o Acquire::Retries=5 && \
	     $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -qy -o Acquire::Retries=5 --no-install-recommends $$missing) && exit; \
	    sleep $$pause; \
	done; exit 1
.PHONY: deps

include common/build.mk daemon/build.mk cli/build.mk kmod/build.mk
include debian/build.mk
include tests/build.mk $(wildcard tests/*/build.mk)

-include $(shell find $(O)/obj -name '*.d' 2>/dev/null)

# The comment at the top of this file
help:
	@sed -n 's/^#   make/make/p' Makefile
clean:
	rm -rf $(O)
.PHONY: all clean help FORCE
