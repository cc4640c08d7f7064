# SPDX-License-Identifier: LGPL-2.1-or-later
daemon_src := $(wildcard daemon/*.c)
ifneq ($(daemon_src),)
all: $(O)/nestd
endif
$(O)/nestd: $(call objects,$(daemon_src)) $(LIBNESTD)
	$(call link,$(COMMON_LIBS) $(shell pkg-config --libs libsystemd))

# What the daemon's part of an installation consists of, for the install target: MODE:FILE:DESTINATION
install_daemon := \
    0755:$(O)/nestd:$(PREFIX)/libexec/nestd \
    0644:systemd/nestd.service:$(PREFIX)/lib/systemd/system/nestd.service \
    0644:conf/nestd.conf:/etc/nestd/nestd.conf \
    0644:conf/org.nestd1.conf:$(PREFIX)/share/dbus-1/system.d/org.nestd1.conf \
    0644:conf/org.nestd1.service:$(PREFIX)/share/dbus-1/system-services/org.nestd1.service \
    0644:conf/org.nestd1.policy:$(PREFIX)/share/polkit-1/actions/org.nestd1.policy \
    0644:conf/nestd.sysusers:$(PREFIX)/lib/sysusers.d/nestd.conf \
    0644:man/nestd.8:$(PREFIX)/share/man/man8/nestd.8 \
    0644:man/nestd.conf.5:$(PREFIX)/share/man/man5/nestd.conf.5 \
    0644:man/org.nestd1.5:$(PREFIX)/share/man/man5/org.nestd1.5
