"""The home in the machine: its radio and devices, its programs, and the orders from outside.

An order is a line of JSON, `{"do": …}` with the names of the function's parameters; the answer is one, too.
"""

import asyncio
import json
import os
import select
import signal
import urllib.request

import bus
import ledger
from air import Air, Socket
from button import Button
from cuff import Cuff
from oximeter import Oximeter
from strap import Strap

KINDS = {"cuff": Cuff, "oximeter": Oximeter, "strap": Strap}


class Home:
    def __init__(self):
        self.air = Air()
        self.socket = Socket(self.air)
        self.devices = {}
        self.programs = {}

    # Devices.

    async def add(self, kind, address, **how):
        if kind == "button":
            device = Button(self.air, self.socket, address, **how)
        else:
            device = KINDS[kind](self.air, address, **how)
        await device.switch_on()
        self.devices[address] = device

    async def device(self, address, deed, how):
        """What a person does with a device: measure, press, wear, lose_keys, advertise, switch_off …"""
        return await getattr(self.devices[address], deed)(**how)

    async def habits(self, address, changed):
        self.devices[address].change(changed)

    async def left(self, address):
        """How much a device still has to say; a connection counts as one."""
        return self.devices[address].left()

    async def radio(self, there):
        if there:
            self.socket.plug_in()
        else:
            self.socket.pull_out()

    # Programs.

    async def start(self, program, argv):
        assert program not in self.programs, f"{program} runs already"
        with open(f"/share/{program}.log", "ab") as log:
            child = await asyncio.create_subprocess_exec(*argv, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log)
        self.programs[program] = child
        ledger.note("started", program=program)
        asyncio.ensure_future(self.watch(program, child))

    async def watch(self, program, child):
        code = await child.wait()
        del self.programs[program]
        ledger.note("ended", program=program, code=code)

    async def end(self, program, how, when=None):
        """`how`: KILL or TERM. `when`: as soon as this stands in the ledger. It is gone when the answer comes."""
        child = self.programs[program]
        if when:
            await asyncio.wait_for(ledger.when(**when), 120)
        ledger.note("ending", program=program, how=how)
        child.send_signal(getattr(signal, "SIG" + how))
        await child.wait()

    async def running(self):
        return list(self.programs)

    async def run(self, argv):
        child = await asyncio.create_subprocess_exec(
            *argv, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, complaint = await child.communicate()
        return {"code": child.returncode, "out": out.decode(), "complaint": complaint.decode()}

    async def adopt(self, argv, address):
        """An installer adopts a device, and types the number that it shows when she is asked to. What she was told.
        Her patience has an end."""
        child = await asyncio.create_subprocess_exec(
            *argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        patience = asyncio.get_running_loop().call_later(180, child.kill)
        told = ""
        while line := await child.stdout.readline():
            told += line.decode()
            if b"six digits" in line:
                child.stdin.write(f"{self.devices[address].habits['passkey']:06}\n".encode())
        patience.cancel()
        return {"code": await child.wait(), "out": told, "complaint": ""}

    async def get(self, path):
        """What the gateway's interface for programs answers."""

        def ask():
            with open("/srv/gateway/api-token") as token:
                headers = {"Authorization": f"Bearer {token.read().strip()}"}
            request = urllib.request.Request(f"http://127.0.0.1:8080{path}", headers=headers)
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)

        return await asyncio.to_thread(ask)

    # Truth.

    async def ledger(self, since):
        return ledger.since(since)

    async def hears(self):
        return self.socket.hears()


async def serve(home):
    """Answers orders one after the other, until whoever gives them is gone."""
    loop = asyncio.get_running_loop()
    channel = os.open(port(), os.O_RDWR)
    reader = asyncio.StreamReader(limit=1 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(channel, "rb", closefd=False))
    orders = asyncio.Queue()

    async def listen():
        while line := await reader.readline():
            orders.put_nowait(line)
        # Also in the middle of an order.
        os._exit(0)

    asyncio.ensure_future(listen())
    while True:
        order = json.loads(await orders.get())
        try:
            answer = {"answer": await getattr(home, order.pop("do"))(**order)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        data = json.dumps(answer).encode() + b"\n"
        await asyncio.to_thread(write_all, channel, data)


def write_all(channel, data):
    while data:
        if not select.select([], [channel], [], 60)[1]:
            raise SystemExit("nobody takes the answers any more")
        data = data[os.write(channel, data) :]


def port():
    """The channel called "orders"."""
    ports = "/sys/class/virtio-ports"
    for name in os.listdir(ports):
        with open(f"{ports}/{name}/name") as file:
            if file.read().strip() == "orders":
                return f"/dev/{name}"
    raise FileNotFoundError("there is no channel for orders")


async def main():
    home = Home()
    home.socket.plug_in()
    asyncio.ensure_future(bus.listen())
    await home.start("bluetoothd", ["/usr/libexec/bluetooth/bluetoothd", "-n"])
    await serve(home)


asyncio.run(main())
