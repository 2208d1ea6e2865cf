"""Listens on the message bus: which values bluetoothd passes on to programs.

bluetoothd confirms a value to the device even when no program is subscribed, and then passes it on to nobody. The
difference between what a device saw confirmed and what was passed on is what no program could have saved.
"""

import asyncio
import re

import ledger

VALUES = (
    "type='signal',sender='org.bluez',interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',"
    "arg0='org.bluez.GattCharacteristic1'"
)
PATH = re.compile(r"path=/org/bluez/hci\d+/dev_([0-9A-F_]{17})/")
BYTES = re.compile(r"^[0-9a-f]{2}( [0-9a-f]{2})*$")


async def listen():
    monitor = await asyncio.create_subprocess_exec(
        "dbus-monitor", "--system", VALUES, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    device, payload = None, None
    async for line in monitor.stdout:
        line = line.decode().strip()
        if path := PATH.search(line):
            device = path[1].replace("_", ":")
        elif "array of bytes [" in line:
            payload = ""
        elif payload is not None and BYTES.match(line):
            payload += line.replace(" ", "")
        elif payload is not None:
            ledger.note("passed_on", device=device, hex=payload)
            payload = None
