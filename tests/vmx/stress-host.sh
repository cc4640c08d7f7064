#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Runs on the emulated Intel host: stress-host.sh LOADS KILLS. Says on a line of its own what held.
loads=$1 kills=$2
vmx=/sys/module/witness/parameters/vmx # on how many CPUs VMX is on
mount -t debugfs none /sys/kernel/debug 2>/dev/null
insmod /witness.ko # first: its sleep hook runs after that of a module loaded later

# Until a VM is there, a second and a half at most.
vm_is_up() {
    n=0
    until ls -d /sys/kernel/debug/nestvmx/vm* >/dev/null 2>&1 || [ $n = 300 ]; do
        usleep 5000
        n=$((n + 1))
    done
}

i=0
while [ $i -lt "$loads" ]; do
    if ! insmod /nestvmx.ko || ! /l1run /dev/nestvmx /payload.bin 4 1 >/dev/null || ! /sbin/rmmod nestvmx; then
        break
    fi
    i=$((i + 1))
done
echo "loads $i"

# Memory and all else that has a limit runs out. What the kernel says then of memory has a call trace, so it goes from the log.
insmod /nestvmx.ko
mount -t cgroup2 none /sys/fs/cgroup
echo +memory >/sys/fs/cgroup/cgroup.subtree_control
mkdir /sys/fs/cgroup/vm
read -r level _ </proc/sys/kernel/printk
dmesg -n 1 # hundreds of them, over a serial line
/limits /sys/fs/cgroup/vm
dmesg -n "$level"
dmesg -c | grep -E 'WARNING:|BUG:|Oops|general protection|nestvmx: leaked' | sed 's/^/dmesg /'

# What waits for a guest: both engines tell it alike, and it survives an entry that is not made and a move to another VM.
/events /dev/nestvmx >/tmp/ours
/sbin/modprobe kvm_intel enable_apicv=0
/events /dev/kvm >/tmp/theirs
grep '^events ok' /tmp/ours
diff /tmp/theirs /tmp/ours && echo "events agree"

# Beside another owner: EBUSY, its name in the log. kvm_intel owns VMX while a VM of it exists.
/l1run /dev/kvm /payload.bin 19 1 >/dev/null &
kvm=$!
sleep 1
/l1run /dev/nestvmx /payload.bin 4 1 | grep -q 'error Device or resource busy' && dmesg | grep -q 'VMX is in use by kvm_intel' &&
    echo "owner refused"
kill -9 $kvm
wait $kvm 2>/dev/null
/sbin/rmmod kvm_intel

# A CPU goes and comes while VMs run.
(
    for _ in 1 2 3 4 5 6 7 8; do
        /l1run /dev/nestvmx /payload.bin 1 2 || exit 1
    done
) >/tmp/hotplug &
vm=$!
ok=yes
for _ in 1 2 3; do
    echo 0 >/sys/devices/system/cpu/cpu1/online || ok=no
    usleep 300000
    echo 1 >/sys/devices/system/cpu/cpu1/online || ok=no
    usleep 200000
done
if wait $vm && [ $ok = yes ] && [ "$(grep -c '^end ' /tmp/hotplug)" = 16 ]; then
    echo "hotplug ok"
else
    grep -E 'fail|error|stop|end' /tmp/hotplug
fi

# The machine sleeps while a VM runs, as far as it can without its firmware: CPUs off, the syscore hooks called.
/l1run /dev/nestvmx /payload.bin 3 2 >/tmp/sleep &
vm=$!
vm_is_up
usleep 50000
before=$(cat $vmx)
echo 0 >/sys/module/suspend/parameters/pm_test_delay
echo core >/sys/power/pm_test
if echo mem >/sys/power/state && [ "$before" = 2 ] && kill -0 $vm && dmesg | grep -q 'witness: asleep, VMX is off'; then
    echo "asleep without VMX"
fi
echo none >/sys/power/pm_test
if wait $vm && [ "$(grep -c '^end ' /tmp/sleep)" = 2 ] && [ "$(cat $vmx)" = 0 ]; then
    echo "awake, the VM goes on"
else
    echo "vmx $before, $(cat $vmx)"
    grep -E 'fail|error|stop|end' /tmp/sleep
    dmesg | grep witness
fi

i=0 alive=0
while [ $i -lt "$kills" ]; do
    /l1run /dev/nestvmx /payload.bin 19 2 >/dev/null &
    vm=$!
    vm_is_up
    random=$(hexdump -n 1 -e '"%u"' /dev/urandom)
    usleep $((random * 400)) # a tenth of a second at most: now it starts, now L2 runs
    ls -d /sys/kernel/debug/nestvmx/vm* >/dev/null 2>&1 && alive=$((alive + 1))
    kill -9 $vm || break
    wait $vm 2>/dev/null
    i=$((i + 1))
done
echo "kills $i"
echo "alive when killed: $alive"
[ $((alive * 2)) -ge "$kills" ] && echo "half of them in the middle"
grep -qx 'pages 0' /sys/kernel/debug/nestvmx/memory && grep -qx 'pinned 0' /sys/kernel/debug/nestvmx/memory && echo "leaks none"
cat /sys/kernel/debug/nestvmx/memory
dmesg | grep -E 'WARNING:|BUG:|Oops|general protection|nestvmx: leaked|Call Trace' | sed 's/^/dmesg /'

# The machine goes down with one VM stopped, so that nobody closes it, and one running. The witness says the last word, and ends
# this script.
/l1run /dev/nestvmx /payload.bin 19 2 >/dev/null &
vm=$!
vm_is_up
usleep 50000
kill -STOP $vm
/l1run /dev/nestvmx /payload.bin 19 2 >/dev/null &
usleep 100000
[ "$(cat $vmx)" = 2 ] && echo "a VM runs"
usleep 50000 # until that is out
reboot -f
