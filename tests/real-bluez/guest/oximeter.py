"""A pulse oximeter: spot checks by indication."""

from bumble.gatt import Characteristic, Service

from device import Device, read_only, short


class Oximeter(Device):
    service = 0x1822
    about = ("Rig Medical", "RIG-OX", "SN000002")

    def __init__(self, air, address, name="RIG clip", **habits):
        super().__init__(air, address, name, **habits)

    def own_services(self):
        self.measurement = self.speaking(0x2A5E, Characteristic.Properties.INDICATE)
        return [Service(short(self.service), [self.measurement, read_only(0x2A60, bytes([0, 0]))])]

    async def measure(self, saturation, pulse):
        """Without a clock: two equal values are two readings."""
        payload = bytes([0]) + saturation.to_bytes(2, "little") + pulse.to_bytes(2, "little")
        await self.remember(payload)
        return payload.hex()

    async def speak(self, connection):
        await self.indicate_all(connection, self.measurement)
