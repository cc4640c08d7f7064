#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""agent.py VERB [OPTION=VALUE...]: calls nestd as the agent of a cloud would, with dbus-python and nothing else.

VERB: describe, enable, disable, undo. Changes follow the job to its end. The result is printed as JSON:
{"describe": ..., } or {"job", "state", "error", "result", "enabled", "signals": [what PropertiesChanged said of the host]};
a refused call: {"refused": name of the D-Bus error, "message"}. Exit code 0, or 1 if refused or not done.
"""
import json
import sys

import dbus
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

NAME, PATH = "org.nestd1", "/org/nestd1"


def value(text):
    return {"on": dbus.Boolean(True), "off": dbus.Boolean(False), "true": dbus.Boolean(True),
            "false": dbus.Boolean(False)}.get(text, text)


def follow(bus, path, loop):
    """Runs until the job has ended; returns its properties."""
    job = bus.get_object(NAME, path)

    def ended(*_):
        loop.quit()
    job.connect_to_signal("Finished", ended, "org.nestd1.Job")

    def properties():
        return job.GetAll("org.nestd1.Job", dbus_interface=dbus.PROPERTIES_IFACE)
    # It may have ended before anybody listened.
    if properties()["State"] == "running":
        GLib.timeout_add_seconds(300, loop.quit)
        loop.run()
    return properties()


def main():
    DBusGMainLoop(set_as_default=True)
    loop = GLib.MainLoop()
    bus = dbus.SystemBus()
    host = dbus.Interface(bus.get_object(NAME, PATH), "org.nestd1.Host")
    verb = sys.argv[1]
    if verb == "describe":
        print(json.dumps({"describe": json.loads(host.Describe())}))
        return 0
    options = dbus.Dictionary(dict((k, value(v)) for k, v in (i.split("=", 1) for i in sys.argv[2:])), signature="sv")
    changes = {}
    bus.add_signal_receiver(lambda interface, changed, gone: changes.update(changed), "PropertiesChanged",
                            dbus.PROPERTIES_IFACE, NAME, PATH)
    try:
        path = getattr(host, verb.capitalize())(options)
    except dbus.DBusException as e:
        print(json.dumps({"refused": e.get_dbus_name(), "message": e.get_dbus_message()}))
        return 1
    job = follow(bus, path, loop)
    enabled = bus.get_object(NAME, PATH).Get("org.nestd1.Host", "NestedEnabled", dbus_interface=dbus.PROPERTIES_IFACE)
    print(json.dumps({"job": path, "state": job["State"], "error": job["Error"], "enabled": bool(enabled),
                      "result": json.loads(job["Result"] or "null"),
                      "signals": {str(k): bool(v) if isinstance(v, dbus.Boolean) else str(v)
                                  for k, v in changes.items()}}))
    return 0 if job["State"] == "done" else 1


sys.exit(main())
