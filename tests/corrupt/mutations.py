"""Seeded mutations of good files, and what becomes of them: only errors of ours, in little memory and time.

`mutate_bytes`, `mutate_json` and `mutate_proto` each take the good thing and a `random.Random`, so a seed names a
mutant for ever. `measure` reads mutants one after the other and says what it saw.
"""

import collections
import copy
import json
import random
import signal
import time
import tracemalloc

MAX_MEMORY = 64 << 20  # bytes
MAX_SECONDS = 1.0  # of processor time
HANGS = 60  # seconds, after which a mutant is taken for one that never ends

SPECIAL_BYTES = [
    b"\0",
    b"\xff",
    b"\x80",
    b"\x7f",
    b"\xff" * 10,
    b"\x80" * 9 + b"\1",
    b"\0\0\0\x80",
    b"[",
    b"{",
    b'"',
    b"9" * 25,
]
SPECIAL_VALUES = [
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**63,
    10**40,
    0.5,
    -0.0,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "x",
    "0",
    "a/b",
    "\0",
    "\ud800",
    "\u202e%s{0}",
    "é" * 1000,
    [],
    [None],
    [[]],
    [1, "a"],
    {},
    {"a": 1},
    {"": []},
]


# ------------------------------------------------------------------------------------------------------------ bytes


def mutate_bytes(data, rng):
    """A few bytes changed, cut out, put in or doubled."""
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(5)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and at < len(data):
            data[at] = rng.randrange(256)
        elif kind == 2:
            del data[at : at + rng.choice([1, 2, 8, 100])]
        elif kind == 3:
            data[at:at] = rng.choice(SPECIAL_BYTES)
        else:
            data[at:at] = data[at : at + rng.randrange(100)]
    return bytes(data)


# ------------------------------------------------------------------------------------------------------------- JSON


def mutate_json(value, rng):
    """A few values of a JSON tree replaced, changed, renamed, removed, doubled, exchanged or wrapped."""
    root = [copy.deepcopy(value)]
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        places = list(_places(root))
        holder, key = rng.choice(places[: 1 + rng.randrange(len(places))] if rng.randrange(3) == 0 else places)
        _change(holder, key, places, rng)
        if not root:
            root.append(None)
    return root[0]


def mutate_json_text(value, rng):
    """The text of a mutant in UTF-8, bytes: mostly of a changed tree, else of good JSON with changed bytes."""
    if rng.randrange(4) == 0:
        return mutate_bytes(json.dumps(value).encode("ascii"), rng)
    return json.dumps(mutate_json(value, rng)).encode("ascii")


def _places(root):
    """(container, key) of every value in a tree."""
    waiting = [root]
    while waiting:
        holder = waiting.pop()
        for key in list(holder) if isinstance(holder, dict) else range(len(holder)):
            yield holder, key
            if isinstance(holder[key], (dict, list)):
                waiting.append(holder[key])


def _change(holder, key, places, rng):
    value, kind = holder[key], rng.randrange(10)
    if kind < 3:
        holder[key] = copy.deepcopy(rng.choice(SPECIAL_VALUES))
    elif kind == 3 and isinstance(value, (int, float)):
        holder[key] = rng.choice([value + 1, value - 1, -value, value * 1000, str(value), [value]])
    elif kind == 3 and isinstance(value, str):
        at = rng.randrange(len(value) + 1)
        holder[key] = rng.choice([value[:at], value[at:] + value[:at], value + value, value.upper(), value[:at] + "\0"])
    elif kind == 4:
        del holder[key]
    elif kind == 5 and isinstance(holder, dict):
        holder[rng.choice([key + "s", key.upper(), "", str(rng.randrange(9))])] = holder.pop(key)
    elif kind == 6 and isinstance(holder, list):
        holder.insert(key, copy.deepcopy(value))
    elif kind == 7:
        other, there = rng.choice(places)
        try:
            holder[key] = copy.deepcopy(other[there])
        except (KeyError, IndexError):
            pass  # it was removed before
    elif kind == 8:
        holder[key] = {"a": value} if rng.randrange(2) else [value]
    else:
        for _ in range(rng.choice([10, 200, 3000])):
            value = [value]
        holder[key] = value if _depth_fits(value) else [[]]


def _depth_fits(value):
    """Whether `json.dumps` and `copy.deepcopy` can follow the value to its end."""
    depth = 0
    while isinstance(value, list) and value:
        value, depth = value[0], depth + 1
    return depth <= 210


# ------------------------------------------------------------------------------------------------- Protocol Buffers


def mutate_proto(data, rng):
    """A few fields of a message, at any depth, changed, removed, doubled, exchanged or given another type."""
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        data = _mutate_message(data, rng)
    return data


def _mutate_message(data, rng):
    fields = _fields(data)
    if not fields or rng.randrange(20) == 0:
        return mutate_bytes(data, rng)
    at = rng.randrange(len(fields))
    number, kind, value = fields[at]
    if kind == 2 and value and rng.randrange(3):
        fields[at] = (number, 2, _mutate_message(value, rng))
        return b"".join(_field(*field) for field in fields)
    change = rng.randrange(7)
    if change == 0:
        del fields[at]
    elif change == 1:
        fields.insert(at, fields[at])
    elif change == 2:
        fields[at] = (rng.choice([number + 1, max(number - 1, 1), 500]), kind, value)
    elif change == 3:
        fields[at] = (number, rng.choice([0, 1, 2, 5]), rng.choice([0, 1, 2**63, 2**64 - 1, b"", b"\xff" * 9]))
    elif change == 4 and kind == 0:
        fields[at] = (number, 0, rng.choice([0, value + 1, max(value - 1, 0), value * 2**20, 2**31, 2**64 - 1]))
    elif change == 4 and kind == 2:
        fields[at] = (number, 2, mutate_bytes(value, rng))
    elif change == 5:
        other = rng.randrange(len(fields))
        fields[at], fields[other] = fields[other], fields[at]
    else:
        return b"".join(_field(*field) for field in fields)[: -rng.randrange(1, 9)]
    return b"".join(_field(*field) for field in fields)


def _fields(data):
    """[(number, wire type, int or bytes)] of a message; [] where bytes are none."""
    fields, at = [], 0
    while at < len(data):
        tag, at = _varint(data, at)
        if tag is None or tag >> 3 == 0:
            return []
        kind = tag & 7
        if kind == 0:
            value, at = _varint(data, at)
        elif kind in (1, 2, 5):
            size, at = _varint(data, at) if kind == 2 else (8 if kind == 1 else 4, at)
            value, at = (None, at) if size is None or size > len(data) - at else (data[at : at + size], at + size)
        else:
            value = None
        if value is None:
            return []
        fields.append((tag >> 3, kind, value))
    return fields


def _varint(data, at):
    value = shift = 0
    while at < len(data) and shift < 64:
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            return value, at
    return None, at


def _field(number, kind, value):
    tag = _encode(number << 3 | kind)
    if kind == 0:
        return tag + _encode(value if isinstance(value, int) else len(value))
    value = _encode(value) if isinstance(value, int) else value
    if kind == 2:
        return tag + _encode(len(value)) + value
    return tag + value.ljust(8, b"\0")[: 8 if kind == 1 else 4]


def _encode(value):
    value &= 2**64 - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


# --------------------------------------------------------------------------------------------------------- measured

Seen = collections.namedtuple("Seen", "survived refused escapes memory seconds")
Seen.__doc__ = """What became of mutants.

survived: how many were read. refused: how many were refused by an error of ours. escapes: list of (seed, what is
wrong). memory: the most bytes that Python and numpy asked for at once. seconds: the most processor time of one.
"""


def measure(count, put, read, errors, names=(), traced=1, first=0):
    """Read mutants, and see what becomes of each.

    Arguments:
        count: how many. first: the first seed.
        put: function of a `random.Random` that puts a mutant in the place of the good file.
        read: function without arguments that reads it.
        errors: the classes of errors that may say no.
        names: str, one of which the message must have; none asked for if empty.
        traced: the memory is measured with every so manieth mutant, which slows it down.

    Returns:
        `Seen`.
    """
    survived, refused, escapes, memory, seconds = 0, 0, [], 0, 0.0
    for seed in range(first, first + count):
        put(random.Random(seed))
        verdict, used, took = one(read, errors, names, seed % traced == 0)
        if took > MAX_SECONDS:  # once more, without the measurement of memory
            verdict, _, took = one(read, errors, names, False)
        survived += verdict is None
        refused += verdict is True
        if isinstance(verdict, str):
            escapes.append((seed, verdict))
        if used > MAX_MEMORY or took > MAX_SECONDS:
            escapes.append((seed, f"{used} bytes, {took:.2f} s"))
        memory, seconds = max(memory, used), max(seconds, took)
    return Seen(survived, refused, escapes, memory, seconds)


def one(read, errors, names, traced):
    """(None if it was read, True if it was refused, else what is wrong; bytes; seconds)."""
    if traced:
        tracemalloc.start()
    begin = time.process_time()  # another process on the machine is no fault of this one
    before = signal.signal(signal.SIGALRM, _stop)
    signal.alarm(HANGS)
    try:
        read()
        verdict = None
    except errors as error:
        text = str(error)
        verdict = True if not names or any(name in text for name in names) else "names no file: " + text[:300]
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        verdict = f"{type(error).__name__}: {str(error)[:300]}"
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        took = time.process_time() - begin
        used = tracemalloc.get_traced_memory()[1] if traced else 0
        tracemalloc.stop()
    return verdict, used, took


def _stop(*_):
    raise TimeoutError("it never ends")
