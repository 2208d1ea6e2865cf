"""A heart rate strap: while it is worn it speaks once a second, and never waits for an answer."""

import asyncio

from bumble.gatt import Characteristic, Service

from device import Device, short


class Strap(Device):
    service = 0x180D
    about = ("Rig Medical", "RIG-HR", "SN000003")

    def __init__(self, air, address, name="RIG strap", **habits):
        super().__init__(air, address, name, **habits)
        self.worn_for = 0

    def own_services(self):
        self.measurement = self.speaking(0x2A37, Characteristic.Properties.NOTIFY)
        return [Service(short(self.service), [self.measurement])]

    async def wear(self, seconds):
        """Put on; taken off after this long."""
        self.worn_for = seconds
        self.note("worn", seconds=seconds)
        await self.advertise()

    async def speak(self, connection):
        while self.worn_for > 0:
            self.worn_for -= 1
            payload = bytes([0, 60 + self.worn_for % 20])
            await self.stack.gatt_server.notify_subscriber(connection, self.measurement, payload, force=True)
            self.note("notified", hex=payload.hex())
            await asyncio.sleep(1)
