"""What happened, in order: the truth that the programs under test are held against.

Every line has `n` (its number), `at` (milliseconds since boot), `what` and, for a device's deed, `device`.
"""

import asyncio
import json
import time

_lines = []
_waiting = []
_file = open("/share/ledger.jsonl", "w", buffering=1)


def note(what, **more):
    line = {"n": len(_lines), "at": round(time.clock_gettime(time.CLOCK_BOOTTIME) * 1000), "what": what, **more}
    _lines.append(line)
    _file.write(json.dumps(line) + "\n")
    for wanted, future in list(_waiting):
        if wanted.items() <= line.items() and not future.done():
            future.set_result(line)


async def when(**wanted):
    """The next line that has all this."""
    future = asyncio.get_running_loop().create_future()
    _waiting.append((wanted, future))
    try:
        return await future
    finally:
        _waiting.remove((wanted, future))


def since(number):
    return _lines[number:]
