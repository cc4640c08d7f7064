# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the L1 payload, or a QEMU, on the emulated Intel host and reads the payload's records (common/payload/abi.h)."""
import os
import shutil
import subprocess
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
O = os.environ.get("O", "build")
QEMU = ["/usr/bin/qemu-system-x86_64", "/usr/share/seabios/bios-256k.bin",
        *("/usr/share/qemu/" + name for name in ("kvmvapic.bin", "pvh.bin", "multiboot_dma.bin"))]
CASES, COSTS, PLAIN, NO_EPT, WORKLOAD, ENTRY = 1, 2, 4, 8, 16, 32


class Run:
    """One run of the payload: .cases {name: (ok|fail|skip, detail)}, .costs {name: (ticks, exits)}, .status, .other."""

    def __init__(self, name):
        self.name, self.cases, self.costs, self.info, self.ends = name, {}, {}, {}, []
        self.status, self.leaks, self.other = None, {}, []

    def take(self, line):
        kind, _, rest = line.partition(" ")
        words = rest.split(" ", 2)
        if kind == "case" and len(words) >= 2:
            # two vCPUs report the same cases: the worse result stays
            if self.cases.get(words[0], ("ok",))[0] != "fail":
                self.cases[words[0]] = (words[1], words[2] if len(words) > 2 else "")
        elif kind == "cost" and len(words) == 3:
            self.costs[words[0]] = (int(words[1]), int(words[2]))
        elif kind == "info" and len(words) >= 2:
            self.info[words[0]] = rest.partition(" ")[2]
        elif kind == "end":
            self.ends.append(rest)
        elif kind == "status":
            self.status = int(rest)
        elif kind == "leak":
            self.leaks[words[0]] = int(words[1])
        else:
            self.other.append(line)


def run_name(engine, flags, vcpus=1, parameters=()):
    return "+".join([engine, str(flags), str(vcpus), *parameters])


def on_host(names, cpus=1, options=(), timeout=2400, script="on-host.sh"):
    """One boot. Returns ({name: Run}, what the kernel complained of, the whole output)."""
    with tempfile.TemporaryDirectory(dir=O) as files:
        for f in ("l1run", "payload.bin", "nest.bin", "kmod/nestvmx.ko", "witness/witness.ko", "limits", "events"):
            shutil.copy(os.path.join(O, f), files)
        # BTF of another build of the kernel is refused or, as here, only slows the load
        for f in ("nestvmx.ko", "witness.ko"):
            subprocess.run(["objcopy", "-R", ".BTF", os.path.join(files, f)], check=True)
        p = subprocess.run([os.path.join(TOP, "tests/hosts/intel"), "run", "--no-kvm", "--cpus", str(cpus), "--memory", "768",
                            "--files", files, "--timeout", str(timeout), *options,
                            os.path.join(TOP, "tests/vmx", script), *names], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    text = p.stdout.decode(errors="replace").replace("\r", "")
    runs, complaints, run = {}, [], None
    for line in text.splitlines():
        if line.startswith("run "):
            run = runs[line[4:]] = Run(line[4:])
        elif line.startswith("dmesg "):
            complaints.append(line[6:])
        elif run:
            run.take(line)
    if p.returncode:
        complaints.append("the host's script ended with %d" % p.returncode)
    return runs, complaints, text


def host_with_qemu(files, script, arguments, memory, timeout):
    """One boot with an unmodified QEMU, the module and what is in the directory files: tests/vmx/qemu/SCRIPT. (output, exit code)"""
    for f in QEMU:
        os.makedirs(os.path.dirname(files + f), exist_ok=True)
        shutil.copy(f, files + f)
    subprocess.run(["objcopy", "-R", ".BTF", os.path.join(O, "kmod/nestvmx.ko"), os.path.join(files, "nestvmx.ko")], check=True)
    p = subprocess.run([os.path.join(TOP, "tests/hosts/intel"), "run", "--no-kvm", "--memory", str(memory), "--files", files,
                        "--timeout", str(timeout), os.path.join(TOP, "tests/vmx/qemu", script), *arguments],
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    return p.stdout.decode(errors="replace").replace("\r", ""), p.returncode
