"""What cuffs, oximeters and straps have in common: a controller of their own, perhaps a bond, and something to say.

A device advertises while it has something to say, speaks once somebody is subscribed, and hangs up. What it says of
itself stands in the ledger; what it does otherwise than it should is a habit, which an order can change at any time.
"""

import asyncio

from bumble import hci
from bumble.att import ATT_INSUFFICIENT_AUTHENTICATION_ERROR, ATT_Error, Attribute, AttributeValueV2
from bumble.core import UUID, AdvertisingData
from bumble.device import Device as Stack
from bumble.device import DeviceConfiguration
from bumble.gatt import Characteristic, Descriptor, Service
from bumble.host import Host
from bumble.pairing import PairingConfig, PairingDelegate
from bumble.transport.common import AsyncPipeSink

import ledger
from air import Plain

HABITS = {
    # open: nothing is protected · pairs: what it measures is for encrypted links only · asks: as pairs, and it asks for
    # encryption itself · passkey: as pairs, and it shows six digits that must be typed at the other end
    "security": "open",
    "passkey": 123456,
    # Legacy pairing, as most devices on sale do it, or LE Secure Connections.
    "secure_connections": True,
    "refuses_pairing": False,
    # A bonded peer that was subscribed once stays subscribed: it is spoken to as soon as the link is encrypted.
    "keeps_subscription": False,
    # What was confirmed is kept, and all of it is said again in each session.
    "keeps_memory": False,
    # Seconds: between advertisements, from the subscription to the first value, between values, from the last value to
    # the hang-up, from a hang-up to the next try, and until it gives up on a peer that does not subscribe.
    "advertises_every": 0.1,
    "speaks_after": 0.05,
    "speaks_every": 0.05,
    "lingers": 1.0,
    "tries_again_after": 1.0,
    "patience": 60.0,
    # Hangs up, once, in this moment: connected · encrypted · subscribed · speaking (before the confirmation) · confirmed
    "hangs_up_when": None,
    "battery": 88,
}


def short(number):
    return UUID.from_16_bits(number)


class Device:
    """One device near the radio."""

    service = None
    # Who made it, which model, which one.
    about = ("Rig Medical", "RIG", "SN000001")

    def __init__(self, air, address, name, **habits):
        self.air = air
        self.address = address
        self.name = name
        self.habits = dict(HABITS)
        self.change(habits)
        self.memory = []
        self.unsaid = []
        self.subscribed = False
        self.authenticated_keys = False
        self.link = None

    def change(self, habits):
        unknown = habits.keys() - HABITS.keys()
        assert not unknown, f"no habits: {unknown}"
        self.habits.update(habits)

    def left(self):
        return len(self.unsaid) + (self.link is not None)

    async def switch_on(self):
        controller = Plain(self.name, link=self.air)
        self.controller = controller
        every = self.habits["advertises_every"] * 1000
        self.stack = Stack(
            config=DeviceConfiguration(
                name=self.name,
                address=hci.Address(self.address),
                advertising_interval_min=every,
                advertising_interval_max=every,
            ),
            host=Host(controller, AsyncPipeSink(controller)),
        )
        self.stack.add_services(self.services())
        self.stack.pairing_config_factory = self.pairing
        self.stack.on("connection", self.connected)
        await self.stack.power_on()

    async def switch_off(self):
        self.unsaid.clear()
        await self.stack.stop_advertising()
        self.controller.lose_links()
        self.air.remove_controller(self.controller)

    def note(self, what, **more):
        ledger.note(what, device=self.address, **more)

    # What it offers.

    def services(self):
        battery = Characteristic(
            short(0x2A19), Characteristic.Properties.READ, Attribute.READABLE, bytes([self.habits["battery"]])
        )
        texts = [read_only(number, text.encode()) for number, text in zip((0x2A29, 0x2A24, 0x2A25), self.about)]
        own = self.own_services()
        return [*own, Service(short(0x180A), texts), Service(short(0x180F), [battery])]

    def own_services(self):
        raise NotImplementedError

    def speaking(self, number, properties):
        """A characteristic that speaks to whoever is subscribed, with a subscription that is protected as a habit has
        it; Bumble's own would not be."""
        characteristic = Characteristic(short(number), properties, Attribute.Permissions(0), b"")
        permissions = Attribute.READABLE | Attribute.WRITEABLE | self.protected(Attribute.WRITE_REQUIRES_ENCRYPTION)

        def read(bearer):
            return self.stack.gatt_server.read_cccd(bearer, characteristic)

        def write(bearer, value):
            if self.habits["security"] == "passkey" and not self.authenticated_keys:
                raise ATT_Error(ATT_INSUFFICIENT_AUTHENTICATION_ERROR)
            self.stack.gatt_server.write_cccd(bearer, characteristic, value)

        subscription = Descriptor(short(0x2902), permissions, AttributeValueV2(read, write))
        characteristic.descriptors = [subscription]
        characteristic.on(characteristic.EVENT_SUBSCRIPTION, self.subscription)
        return characteristic

    def protected(self, permission):
        return permission if self.habits["security"] != "open" else Attribute.Permissions(0)

    def advertisement(self):
        service = self.service.to_bytes(2, "little")
        return advertised(
            (AdvertisingData.FLAGS, bytes([0x06])),
            (AdvertisingData.INCOMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS, service),
        )

    def scan_response(self):
        return advertised((AdvertisingData.COMPLETE_LOCAL_NAME, self.name.encode()))

    # Pairing.

    def pairing(self, _connection):
        shows_digits = self.habits["security"] == "passkey"
        return PairingConfig(
            sc=self.habits["secure_connections"], mitm=shows_digits, bonding=True, delegate=Keypad(self, shows_digits)
        )

    async def lose_keys(self):
        await self.stack.keystore.delete_all()
        self.subscribed = False
        self.authenticated_keys = False
        self.note("keys_lost")

    # One connection.

    async def advertise(self):
        if self.link is None:
            await self.stack.start_advertising(
                advertising_data=self.advertisement(), scan_response_data=self.scan_response()
            )
            self.note("advertising")

    async def fall_silent(self):
        await self.stack.stop_advertising()
        self.note("silent")

    def connected(self, connection):
        self.link = connection
        self.may_speak = asyncio.Event()
        self.note("connected")
        connection.on("disconnection", self.disconnected)
        connection.on("connection_encryption_change", self.encryption)
        connection.on("pairing", self.paired)
        connection.on("pairing_failure", lambda reason: self.note("pairing_failed", reason=str(reason)))
        if self.hangs_up("connected"):
            return
        if self.habits["security"] == "asks":
            connection.request_pairing()
        self.session = asyncio.ensure_future(self.converse(connection))

    def encryption(self):
        self.note("encrypted", on=bool(self.link.encryption))
        if self.hangs_up("encrypted"):
            return
        if self.link.encryption and self.subscribed and self.habits["keeps_subscription"]:
            self.may_speak.set()

    def paired(self, keys):
        if keys.ltk is None:
            # Legacy pairing: each side has keys of its own, and the central uses the peripheral's. Bumble mixes them up.
            keys.ltk_peripheral = keys.ltk_central
        key = keys.ltk or keys.ltk_peripheral
        self.authenticated_keys = bool(key and key.authenticated)
        self.note("paired", authenticated=self.authenticated_keys)

    def subscription(self, _bearer, notify, indicate):
        self.subscribed = notify or indicate
        self.note("subscribed" if self.subscribed else "unsubscribed", encrypted=bool(self.link.encryption))
        if self.subscribed and not self.hangs_up("subscribed"):
            self.may_speak.set()

    def disconnected(self, reason):
        self.link = None
        self.note("disconnected", reason=reason)
        session = getattr(self, "session", None)
        if session:
            session.cancel()
        asyncio.ensure_future(self.try_again())

    async def try_again(self):
        await asyncio.sleep(self.habits["tries_again_after"])
        if self.unsaid:
            await self.advertise()

    async def converse(self, connection):
        try:
            await asyncio.wait_for(self.may_speak.wait(), self.habits["patience"])
            await asyncio.sleep(self.habits["speaks_after"])
            await self.speak(connection)
            await asyncio.sleep(self.habits["lingers"])
            while self.unsaid:
                await self.speak(connection)
                await asyncio.sleep(self.habits["lingers"])
        except asyncio.TimeoutError:
            self.note("nobody_subscribed")
        await self.hang_up(connection)

    async def speak(self, connection):
        raise NotImplementedError

    async def hang_up(self, connection):
        self.note("hangs_up")
        await connection.disconnect()

    def hangs_up(self, moment):
        """Whether it leaves in this moment, as a habit has it; only once."""
        if self.habits["hangs_up_when"] != moment:
            return False
        self.habits["hangs_up_when"] = None
        asyncio.ensure_future(self.hang_up(self.link))
        return True

    # What it has to say.

    async def remember(self, payload):
        self.note("measured", hex=payload.hex())
        self.memory.append(payload)
        self.unsaid.append(payload)
        if self.link is None:
            await self.advertise()

    async def indicate(self, connection, characteristic, payload):
        self.note("speaking", hex=payload.hex())
        if self.hangs_up("speaking"):
            # The value leaves, and its confirmation finds nobody.
            self.stack.gatt_server.send_gatt_pdu(connection, indication(characteristic, payload))
            await asyncio.sleep(3600)
        await self.stack.gatt_server.indicate_subscriber(connection, characteristic, payload, force=True)
        self.note("confirmed", hex=payload.hex())
        if payload in self.unsaid:
            self.unsaid.remove(payload)
        if self.hangs_up("confirmed"):
            await asyncio.sleep(3600)

    async def indicate_all(self, connection, characteristic):
        for payload in list(self.memory if self.habits["keeps_memory"] else self.unsaid):
            await self.indicate(connection, characteristic, payload)
            await asyncio.sleep(self.habits["speaks_every"])


class Keypad(PairingDelegate):
    """What a device has for pairing: nothing, or a display."""

    def __init__(self, device, shows_digits):
        super().__init__(self.DISPLAY_OUTPUT_ONLY if shows_digits else self.NO_OUTPUT_NO_INPUT)
        self.device = device

    async def accept(self):
        accepts = not self.device.habits["refuses_pairing"]
        self.device.note("pairing", accepted=accepts)
        return accepts

    async def generate_passkey(self):
        return self.device.habits["passkey"]

    async def display_number(self, number, digits):
        self.device.note("shows_passkey", passkey=number)


def advertised(*structures):
    data = bytes(AdvertisingData(list(structures)))
    assert len(data) <= 31, "an advertisement has 31 bytes"
    return data


def read_only(number, value):
    return Characteristic(short(number), Characteristic.Properties.READ, Attribute.READABLE, value)


def indication(characteristic, payload):
    from bumble.att import ATT_Handle_Value_Indication

    return bytes(ATT_Handle_Value_Indication(attribute_handle=characteristic.handle, attribute_value=payload))
