# SPDX-License-Identifier: LGPL-2.1-or-later
lint check-lint:
	$(Q)tests/lint/lint
.PHONY: lint check-lint
