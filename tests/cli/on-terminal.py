#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""on-terminal.py COMMAND...: runs it on a pseudo-terminal of 24 lines and 100 columns, types $INPUT once the first
output is there (\\x03 is Ctrl-C), and prints what came out. Exits with the command's code."""
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios

signal.alarm(600)  # a hang is a failure
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 100, 0, 0))
    os.execvp(sys.argv[1], sys.argv[1:])
typed = os.environ.get('INPUT', '').encode().decode('unicode_escape').encode()
trigger = os.environ.get('INPUT_AFTER', '').encode()
out = b''
asked = False


def answered():
    """Has more come after the prompt than the rest of it and the echo of what was typed?"""
    return out.partition(trigger)[2].replace(typed.strip(), b'').strip(b': \r\n') != b''


# Who asks for a password throws away what was typed before it switched the echo off. The terminal where it does so may be another
# one further down, so what is typed for a prompt is typed once it is quiet, and again as long as nothing comes of it.
quiet = 2
while True:
    if not select.select([fd], [], [], quiet if asked else 300)[0]:
        if not asked:
            break
        os.write(fd, typed)
        quiet = 10
        continue
    try:
        data = os.read(fd, 65536)
    except OSError:  # EIO: the other end is closed
        break
    out += data
    if typed and trigger in out:
        if not trigger:
            os.write(fd, typed)
        asked = trigger and not answered()
        if not asked:
            typed = b''
sys.stdout.buffer.write(out.replace(b'\r\n', b'\n'))
sys.stdout.flush()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
