# SPDX-License-Identifier: LGPL-2.1-or-later
#   make install     into $(DESTDIR)$(PREFIX); D-Bus and polkit read their files below /usr only
#   make uninstall   what install installed, and nothing else
#   make deb         Debian packages, in build/deb/

# SOURCE:DIRECTORY below PREFIX[:NEW NAME]
install_programs = $(O)/nestctl:bin $(O)/nestd:libexec
install_data     = conf/nestd.conf:lib/nestd \
                   conf/nestd.sysusers:lib/sysusers.d:nestd.conf \
                   conf/org.nestd1.conf:share/dbus-1/system.d \
                   conf/org.nestd1.service:share/dbus-1/system-services \
                   conf/org.nestd1.policy:share/polkit-1/actions \
                   conf/completions/nestctl.bash:share/bash-completion/completions:nestctl \
                   conf/completions/_nestctl:share/zsh/vendor-completions \
                   systemd/nestd.service:lib/systemd/system \
                   $(foreach i,$(wildcard man/*.[1-8]),$i:share/man/man$(subst .,,$(suffix $i)))

# $(call install_source,ITEM), $(call install_target,ITEM)
install_source = $(word 1,$(subst :, ,$1))
install_target = $(DESTDIR)$(PREFIX)/$(word 2,$(subst :, ,$1))/$(or $(word 3,$(subst :, ,$1)),$(notdir $(call install_source,$1)))

# Installed into the running system, it takes effect at once, as a package would.
install: all
	$(Q)set -e; \
	$(foreach i,$(install_programs),install -D -m 755 $(call install_source,$i) $(call install_target,$i);) \
	$(foreach i,$(install_data),install -D -m 644 $(call install_source,$i) $(call install_target,$i);) \
	sed -i 's|/usr/libexec/nestd|$(PREFIX)/libexec/nestd|' $(DESTDIR)$(PREFIX)/lib/systemd/system/nestd.service; \
	if [ -z "$(DESTDIR)" ] && [ -d /run/systemd/system ]; then \
	    systemd-sysusers nestd.conf; systemctl daemon-reload; systemctl reload dbus; systemctl enable -q nestd; \
	    systemctl restart nestd; \
	fi

uninstall:
	$(Q)if [ -z "$(DESTDIR)" ] && [ -d /run/systemd/system ]; then systemctl disable -q --now nestd || :; fi; \
	rm -f $(foreach i,$(install_programs) $(install_data),$(call install_target,$i)); \
	rmdir --ignore-fail-on-non-empty $(DESTDIR)$(PREFIX)/lib/nestd 2>/dev/null || :

# No tests: make check has run them, or will.
# dpkg-buildpackage leaves its results beside the source, so it gets a copy.
deb_sources = $(filter-out build,$(wildcard *))
deb:
	$(Q)set -e; rm -rf $(O)/deb; mkdir -p $(O)/deb/nestd-$(VERSION); \
	tar -cf - --exclude=./$(O) $(deb_sources) | tar -xf - -C $(O)/deb/nestd-$(VERSION); \
	cd $(O)/deb/nestd-$(VERSION); \
	env -u O -u MAKEFLAGS -u MAKELEVEL -u CC DEB_BUILD_OPTIONS="$${DEB_BUILD_OPTIONS-noautodbgsym nocheck parallel=$(shell nproc)}" \
	    dpkg-buildpackage -b -us -uc >../log 2>&1 || { cat ../log; exit 1; }
	@ls $(O)/deb/*.deb
.PHONY: install uninstall deb
