"""A blood pressure cuff."""

import datetime
import zoneinfo

from bumble.att import Attribute
from bumble.gatt import Characteristic, Service

from device import Device, read_only, short

HOME = zoneinfo.ZoneInfo("Europe/Stockholm")
HAS_TIME, HAS_PULSE, HAS_USER, HAS_STATUS = 0x02, 0x04, 0x08, 0x10


class Cuff(Device):
    service = 0x1810
    about = ("Rig Medical", "RIG-BP", "SN000001")

    def __init__(self, air, address, name="RIG cuff", slow_by=0, clock="current_time", **habits):
        """`slow_by`: seconds that its clock is behind; none without a clock. `clock`: how it can be set: current_time
        (2A2B), date_time (2A08), or not at all."""
        super().__init__(air, address, name, **habits)
        self.slow_by = slow_by
        self.clock = clock

    def own_services(self):
        self.measurement = self.speaking(0x2A35, Characteristic.Properties.INDICATE)
        pressure = [self.measurement, read_only(0x2A49, bytes([0x07, 0x00]))]
        if self.clock == "date_time":
            pressure.append(self.clock_characteristic(0x2A08, 0))
        services = [Service(short(self.service), pressure)]
        if self.clock == "current_time":
            services.append(Service(short(0x1805), [self.clock_characteristic(0x2A2B, 3)]))
        return services

    async def measure(self, systolic, diastolic, pulse=60, user=None):
        flags = HAS_PULSE | HAS_STATUS
        time, who = b"", b""
        if self.slow_by is not None:
            flags |= HAS_TIME
            time = date_time(self.now())
        if user is not None:
            flags |= HAS_USER
            who = bytes([user])
        mean = diastolic + (systolic - diastolic) // 3
        pressures = b"".join(value.to_bytes(2, "little") for value in (systolic, diastolic, mean))
        payload = bytes([flags]) + pressures + time + pulse.to_bytes(2, "little") + who + bytes(2)
        await self.remember(payload)
        return payload.hex()

    async def speak(self, connection):
        await self.indicate_all(connection, self.measurement)

    # Its clock shows the time of the home, as a person has set it.

    def now(self):
        return datetime.datetime.now(HOME).replace(tzinfo=None) - datetime.timedelta(seconds=self.slow_by)

    def clock_characteristic(self, number, tail):
        """`tail`: bytes after the seven of the time: day of week, fraction and reason."""
        properties = Characteristic.Properties.READ | Characteristic.Properties.WRITE
        permissions = Attribute.READABLE | Attribute.WRITEABLE | self.protected(Attribute.WRITE_REQUIRES_ENCRYPTION)

        def read(_bearer):
            shown = self.now()
            return date_time(shown) + bytes([shown.isoweekday(), 0, 0])[:tail]

        def write(_bearer, value):
            year, rest = int.from_bytes(value[:2], "little"), value[2:7]
            told = datetime.datetime(year, *rest)
            self.slow_by += round((self.now() - told).total_seconds())
            self.note("clock_set", told=told.isoformat(), slow_by=self.slow_by)

        from bumble.att import AttributeValueV2

        return Characteristic(short(number), properties, permissions, AttributeValueV2(read, write))


def date_time(time):
    return time.year.to_bytes(2, "little") + bytes([time.month, time.day, time.hour, time.minute, time.second])
