"""An alarm button: BTHome v2, sealed with its key; a press is a burst of one and the same frame."""

import asyncio

from bumble import hci, ll
from bumble.core import AdvertisingData
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

import ledger

BTHOME = bytes([0xD2, 0xFC])
SEALED_ON_TRIGGER = 0x45
PACKET, BATTERY, EVENT = 0x00, 0x01, 0x3A
NOTHING, PRESS = 0x00, 0x01
# A burst of about a second.
FRAMES, EVERY = 20, 0.05


class Button:
    def __init__(self, air, socket, address, key):
        self.air = air
        self.socket = socket
        self.address = address
        self.key = bytes.fromhex(key)
        self.counter = 0

    async def switch_on(self):
        self.is_on = True

    async def switch_off(self):
        self.is_on = False

    async def press(self):
        """Gives the frame at once; the burst takes its time."""
        frame = self.frame(PRESS)
        ledger.note("pressed", device=self.address, hex=frame.hex())
        asyncio.ensure_future(self.burst(frame))
        return frame.hex()

    async def burst(self, frame):
        heard = 0
        for _ in range(FRAMES):
            heard += self.socket.hears()
            self.send(frame)
            await asyncio.sleep(EVERY)
        ledger.note("burst", device=self.address, hex=frame.hex(), frames=FRAMES, heard=heard)

    async def beacons(self, every):
        """Shows from now on that it is alive."""

        async def go_on():
            while self.is_on:
                self.send(self.frame(NOTHING))
                await asyncio.sleep(every)

        asyncio.ensure_future(go_on())

    def frame(self, event):
        self.counter += 1
        objects = bytes([PACKET, self.counter % 256, BATTERY, 100, EVENT, event])
        counter = self.counter.to_bytes(4, "little")
        printed = bytes.fromhex(self.address.replace(":", ""))
        nonce = printed + BTHOME + bytes([SEALED_ON_TRIGGER]) + counter
        sealed = AESCCM(self.key, tag_length=4).encrypt(nonce, objects, None)
        return bytes([SEALED_ON_TRIGGER]) + sealed[:-4] + counter + sealed[-4:]

    def send(self, frame):
        data = AdvertisingData(
            [(AdvertisingData.FLAGS, bytes([0x06])), (AdvertisingData.SERVICE_DATA_16_BIT_UUID, BTHOME + frame)]
        )
        self.air.send_advertising_pdu(self, ll.AdvNonConnInd(hci.Address(self.address), bytes(data)))
