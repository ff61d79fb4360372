# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""A stand-in for jkbmsd on D-Bus, for tests of its clients: any values, any error.

    mock = self.enter(jkbmock.Mock(bus.address))
    mock.add_bus("garage")
    mock.add_bms("garage", 1, live={"current": -3.5}, unavailable=["state_of_charge"])
    mock.change("garage_1", "Telemetry", {"Current": jkbmock.double(1.25)})
    mock.errors["Forget"] = ("io.github.jkbmsd1.Error.NotAuthorized", "ask the admin")
    mock.replies["Validate"] = lambda arguments: [("balancer", "…Error.ReadOnly", "a sentence")]

Properties can be set.  mock.arguments has what the methods were called with.
"""

import math
import os
import re
import sys
import threading
import time

import gi
gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

from jkbtest import NAME, ROOT, Part  # noqa: E402

MANAGER_XML = """<node><interface name="org.freedesktop.DBus.ObjectManager">
<method name="GetManagedObjects"><arg type="a{oa{sa{sv}}}" direction="out"/></method>
<signal name="InterfacesAdded"><arg type="o"/><arg type="a{sa{sv}}"/></signal>
<signal name="InterfacesRemoved"><arg type="o"/><arg type="as"/></signal>
</interface></node>"""

# {interface: {method: (arguments, answer)}}
METHODS = {
    "Bms": {"Forget": ("", ""), "Refresh": ("", ""), "GetHistory": ("sttu", "a(td)")},
    "Bus": {"Reconnect": ("", ""), "Scan": ("", ""), "StartCapture": ("h", ""),
            "StopCapture": ("", "")},
    "Settings": {"Apply": ("a{sv}", "a{sv}"), "Validate": ("a{sv}", "a(sss)"),
                 "Snapshots": ("", "a(st)"), "Restore": ("s", "")},
    "Manager": {"AddBus": ("ssa{sv}", "o"), "RemoveBus": ("s", ""), "Reload": ("", ""),
                "GetConfig": ("", "a{sa{ss}}"), "GetConfigOrigins": ("", "a{sa{ss}}"),
                "ResetConfig": ("ss", "")},
    "Mqtt": {"SetPassword": ("s", ""), "Reconnect": ("", ""), "Republish": ("", "")},
}

# key: (D-Bus type, a usual value)
LIVE = {
    "total_voltage": ("d", 52.63), "current": ("d", -12.3), "power": ("d", -647.349),
    "charging_power": ("d", 0.0), "discharging_power": ("d", 647.349),
    "state_of_charge": ("d", 78.0), "state_of_health": ("d", 99.0),
    "capacity_remaining": ("d", 218.4), "full_charge_capacity": ("d", 280.0),
    "charging_cycles": ("u", 41), "total_charging_cycle_capacity": ("d", 11508.25),
    "total_runtime": ("t", 12345678), "cell_count": ("u", 16),
    "cell_voltages": ("ad", [3.289 + n / 1000 for n in range(16)]),
    "cell_resistances": ("ad", [52.0 + n for n in range(16)]),
    "min_cell_voltage": ("d", 3.289), "max_cell_voltage": ("d", 3.304),
    "average_cell_voltage": ("d", 3.2965), "delta_cell_voltage": ("d", 0.015),
    "min_voltage_cell": ("u", 1), "max_voltage_cell": ("u", 16),
    "mosfet_temperature": ("d", 24.5), "temperature_sensor_1": ("d", 21.2),
    "temperature_sensor_2": ("d", -0.4), "temperature_sensor_4": ("d", math.nan),
    "temperature_sensor_5": ("d", math.nan), "balancing": ("b", True),
    "balancing_direction": ("s", "discharging"), "balancing_current": ("d", -0.85),
    "charging": ("b", True), "discharging": ("b", True), "precharging": ("b", False),
    "heating": ("b", False), "heating_current": ("d", 0.0), "charger_plugged": ("b", False),
    "charge_status": ("s", "bulk"), "charge_status_time_elapsed": ("d", 360.0),
    "battery_type": ("s", "lifepo4"), "dry_contact_1": ("b", False),
    "dry_contact_2": ("b", False), "errors": ("as", []), "errors_bitmask": ("u", 0),
    "emergency_time": ("d", 0.0), "smart_sleep_countdown": ("d", 86400.0),
    "detail_log_entry_count": ("u", 12),
}
SETTINGS = {
    "smart_sleep_voltage": ("d", 3.5), "cell_voltage_overvoltage_recovery": ("d", 3.5),
    "cell_voltage_overvoltage_protection": ("d", 3.65),
    "max_charge_current": ("d", 100.0), "charge_undertemperature_protection": ("d", -2.0),
    "cell_count": ("u", 15), "charging_switch": ("b", True), "discharging_switch": ("b", False),
    "balancer": ("b", True), "multiplexed_port_mode": ("s", "rs485"), "device_address": ("u", 1),
    "connection_wire_resistances": ("ad", [0.052] * 16), "heating_start_temperature": ("d", 5.0),
    "heating_switch": ("b", False),
}
INFO = {
    "model": ("s", "JK_PB2A16S20P"), "hardware_version": ("s", "15A"),
    "software_version": ("s", "15.30"), "serial_number": ("s", "404092A2380041"),
    "manufacturing_date": ("s", "240401"), "power_on_count": ("u", 17), "uptime": ("t", 3600),
}


def _apply(values):
    """Everything was written and read back."""
    kinds = {"bool": "b", "int": "u", "float": "d", "str": "s"}
    return {key: GLib.Variant(kinds[type(value).__name__], value) for key, value in values.items()}


USUAL = {"Apply": _apply, "Validate": lambda values: [], "Snapshots": lambda: [],
         "AddBus": lambda name, uri, options: f"{ROOT}/bus/{name}", "GetConfig": lambda: {},
         "GetConfigOrigins": lambda: {}}


def _split(signature):
    """The single types of a signature: "ssa{sv}" is s, s and a{sv}."""
    return re.findall(r"a\{.*?\}|\w", signature)


def double(value):
    return GLib.Variant("d", value)


def camel(key):
    return "".join(word.capitalize() for word in key.split("_"))


def properties(table, values, unavailable):
    """{Property: Variant} of a table with some values replaced; values may bring their own type."""
    result = {}
    for key in list(table) + [key for key in values if key not in table]:
        kind = table[key][0] if key in table else "d"
        value = values.get(key, table[key][1] if key in table else None)
        result[camel(key)] = value if isinstance(value, GLib.Variant) else GLib.Variant(kind, value)
    result["Unavailable"] = GLib.Variant("as", unavailable)
    return result


class Mock(Part):
    """Owns the name on a thread of its own; stop() and start() are a restart of the daemon."""

    def __init__(self, address):
        self.address = address
        self.objects = {}  # path: {short interface: {property: Variant}}
        self.errors = {}   # method: (D-Bus error, sentence)
        self.replies = {}  # method: function of its arguments that returns its answer
        self.calls = []    # (path, method)
        self.arguments = []  # (method, argument, argument …)
        self.fds = []      # that came with a call
        self.loop = None
        self.put(ROOT, "Manager", {"Version": GLib.Variant("s", "0.1.0")})

    # ---- its life

    def start(self):
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        ready.wait(10)

    def _run(self, ready):
        context = GLib.MainContext()
        context.push_thread_default()
        self.registered = {}
        self.connection = Gio.DBusConnection.new_for_address_sync(
            self.address, Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT
            | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)
        self.connection.set_exit_on_close(False)
        self.context = context
        node = Gio.DBusNodeInfo.new_for_xml(MANAGER_XML)
        self.connection.register_object(ROOT, node.interfaces[0], self._on_call, None, None)
        for path in self.objects:
            self._register(path)
        self.connection.call_sync("org.freedesktop.DBus", "/org/freedesktop/DBus",
                                  "org.freedesktop.DBus", "RequestName",
                                  GLib.Variant("(su)", (NAME, 4)), None, 0, 5000, None)
        self.loop = GLib.MainLoop(context)
        ready.set()
        self.loop.run()
        try:
            self.connection.close_sync(None)
        except GLib.Error:
            pass
        context.pop_thread_default()

    def close(self):
        if self.loop is not None:
            self.loop.quit()
            self._thread.join(10)
            self.loop = None

    stop = close

    def _in_thread(self, function):
        """Runs it where the connection lives, and waits."""
        if self.loop is None:
            function()
            return
        done = threading.Event()

        def run():
            try:
                function()
            finally:
                done.set()
            return False

        source = GLib.idle_source_new()
        source.set_callback(lambda *unused: run())
        source.attach(self.context)
        done.wait(10)

    # ---- D-Bus

    def _register(self, path):
        for interface, values in self.objects[path].items():
            if (path, interface) in self.registered:
                continue
            members = "".join(f'<property name="{name}" type="{value.get_type_string()}" '
                              'access="readwrite"/>' for name, value in values.items())
            members += "".join(
                f'<method name="{name}">'
                + "".join(f'<arg type="{kind}" direction="in"/>' for kind in _split(arguments))
                + (f'<arg type="{answer}" direction="out"/>' if answer else "") + "</method>"
                for name, (arguments, answer) in METHODS.get(interface, {}).items())
            if interface == "Settings":
                members += '<signal name="WriteProgress"><arg type="u"/><arg type="u"/></signal>'
            node = Gio.DBusNodeInfo.new_for_xml(
                f'<node><interface name="{NAME}.{interface}">{members}</interface></node>')
            self.registered[path, interface] = self.connection.register_object(
                path, node.interfaces[0], self._on_call, self._on_get, None)

    def _on_get(self, _connection, _sender, path, interface, name):
        return self.objects[path][interface.rpartition(".")[2]][name]

    def _on_call(self, _connection, _sender, path, interface, method, arguments, invocation):
        self.calls.append((path, method))
        self.arguments.append((method, *arguments.unpack()))
        fds = invocation.get_message().get_unix_fd_list()
        self.fds += [os.dup(fd) for fd in fds.steal_fds()] if fds else []
        interface = interface.rpartition(".")[2]
        if method in self.errors:
            invocation.return_dbus_error(*self.errors[method])
        elif method == "GetManagedObjects":
            objects = {path: {f"{NAME}.{name}": values for name, values in interfaces.items()}
                       for path, interfaces in self.objects.items()}
            invocation.return_value(GLib.Variant("(a{oa{sa{sv}}})", (objects,)))
        elif method == "Set":
            self._set(path, *arguments.unpack()[:2], arguments.get_child_value(2).get_variant())
            invocation.return_value(None)
        else:
            answer = METHODS[interface][method][1]
            value = self.replies.get(method, USUAL.get(method, lambda *unused: None))(
                *arguments.unpack())
            invocation.return_value(GLib.Variant(f"({answer})", (value,)) if answer else None)

    def _set(self, path, interface, name, value):
        self.objects[path][interface.rpartition(".")[2]][name] = value
        self._emit(path, "org.freedesktop.DBus.Properties", "PropertiesChanged",
                   GLib.Variant("(sa{sv}as)", (interface, {name: value}, [])))

    def _emit(self, path, interface, signal, arguments):
        if self.loop is not None:
            self.connection.emit_signal(None, path, interface, signal, arguments)

    # ---- what it shows

    def put(self, path, interface, values):
        """Adds an interface with its properties, announced when running."""
        def run():
            self.objects.setdefault(path, {})[interface] = dict(values)
            if self.loop is not None:
                self._register(path)
            self._emit(ROOT, "org.freedesktop.DBus.ObjectManager", "InterfacesAdded",
                       GLib.Variant("(oa{sa{sv}})", (path, {f"{NAME}.{interface}": values})))
        self._in_thread(run)

    def remove(self, path):
        def run():
            names = [f"{NAME}.{name}" for name in self.objects.pop(path)]
            self._emit(ROOT, "org.freedesktop.DBus.ObjectManager", "InterfacesRemoved",
                       GLib.Variant("(oas)", (path, names)))
        self._in_thread(run)

    def change(self, name, interface, values):
        path = f"{ROOT}/{'bus' if interface == 'Bus' else 'bms'}/{name}"

        def run():
            self.objects[path][interface].update(values)
            self._emit(path, "org.freedesktop.DBus.Properties", "PropertiesChanged",
                       GLib.Variant("(sa{sv}as)", (f"{NAME}.{interface}", values, [])))
        self._in_thread(run)

    def alarm(self, bms, signal, signature, *arguments):
        self._in_thread(lambda: self._emit(f"{ROOT}/bms/{bms}", f"{NAME}.Bms", signal,
                                           GLib.Variant(signature, arguments)))

    def add_bus(self, name, **values):
        usual = {"Name": name, "Uri": f"serial:/dev/serial/by-id/usb-{name}", "Mode": "auto",
                 "Role": "listening", "State": "up", "LastError": "", "HealthReason": ""}
        usual = {key: GLib.Variant("s", values.get(key, text)) for key, text in usual.items()}
        usual["Enabled"] = GLib.Variant("b", values.get("Enabled", True))
        usual["HealthScore"] = GLib.Variant("u", values.get("HealthScore", 100))
        for key in ("BytesReceived", "FramesReceived", "ChecksumErrors", "AckErrors",
                    "UnattributedFrames", "Resyncs", "Reconnects"):
            usual[key] = GLib.Variant("t", values.get(key, 0))
        self.put(f"{ROOT}/bus/{name}", "Bus", usual)

    def add_mqtt(self, **values):
        usual = {"Uri": "mqtt://127.0.0.1:1883", "Username": "", "TopicPrefix": "jkbms",
                 "LastError": ""}
        usual = {key: GLib.Variant("s", values.get(key, text)) for key, text in usual.items()}
        for key in ("Enabled", "Connected"):
            usual[key] = GLib.Variant("b", values.get(key, True))
        usual["Published"] = GLib.Variant("t", 12345)
        usual["Interval"] = GLib.Variant("d", 5.0)
        self.put(f"{ROOT}/mqtt", "Mqtt", usual)

    def add_bms(self, bus, address, name=None, online=True, live=None, settings=None, info=None,
                unavailable=(), age=0.5):
        """live, settings, info: values that differ from the usual; False: never heard."""
        bms = f"{bus}_{address}"
        path = f"{ROOT}/bms/{bms}"
        heard = info is not False
        self.put(path, "Bms", {
            "Bus": GLib.Variant("o", f"{ROOT}/bus/{bus}"), "Address": GLib.Variant("u", address),
            "Id": GLib.Variant("s", bms), "Name": GLib.Variant("s", name or bms),
            "Online": GLib.Variant("b", online),
            "LastSeen": GLib.Variant("t", int((time.time() - age) * 1e6) if age is not None else 0),
            "Model": GLib.Variant("s", INFO["model"][1] if heard else ""),
            "SerialNumber": GLib.Variant("s", INFO["serial_number"][1] if heard else "")})
        for interface, table, values in (("Telemetry", LIVE, live), ("Settings", SETTINGS, settings),
                                         ("Info", INFO, info)):
            if values is not False:
                self.put(path, interface, properties(
                    table, values or {}, [key for key in unavailable if key in table]))


def main():
    """A daemon to look at: jkbmock.py ADDRESS [NUMBER OF BMS]."""
    mock = Mock(sys.argv[1])
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 4
    mock.add_bus("garage", FramesReceived=123456, ChecksumErrors=3)
    mock.add_bus("shed", State="down", LastError="cannot open /dev/ttyUSB1: no such device; "
                 "plug the adapter in", HealthScore=0, Role="idle", Uri="tcp:10.0.0.7:8899")
    mock.add_mqtt()
    for n in range(count):
        mock.add_bms("garage", n, name=["Left rack", "右架電池", "garage_2", "Roof"][n % 4],
                     online=n % 4 != 3, info=None if n % 2 == 0 else False,
                     live={"errors": ["cell_overvoltage", "password_change_due"],
                           "errors_bitmask": 0x80010} if n % 4 == 1 else {},
                     unavailable=["state_of_charge"] if n % 4 == 2 else [])
    mock.start()
    step = 0
    while True:
        time.sleep(1)
        step += 1
        for n in range(count):
            mock.change(f"garage_{n}", "Telemetry", {
                "Current": double(10 * math.sin(step / 7 + n)),
                "Power": double(526 * math.sin(step / 7 + n)),
                "StateOfCharge": double((step + 7 * n) % 101)})


if __name__ == "__main__":
    main()
