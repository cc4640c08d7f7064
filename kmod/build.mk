# SPDX-License-Identifier: GPL-2.0-only
# nestvmx: the kernel core. kmod/core is also built for user space, where it is tested.
