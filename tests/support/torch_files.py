"""Write files as `torch.save` does, without torch: the operations of a pickle one by one, and both layouts.

`state({"a": tensor("Float", "0", 6, (2, 3))})` is a whole pickle; `zipped` and `stream` put the storages beside it.
"""

import io
import struct
import zipfile

import numpy as np

STORAGES = {"float64": "Double", "float32": "Float", "float16": "Half", "int64": "Long", "int32": "Int", "bool": "Bool"}
MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
VERSION = b"\x80\x02M\xe9\x03."
MACHINE = b"\x80\x02}."
PROTO, STOP = b"\x80\x02", b"."
V2 = b"ctorch._utils\n_rebuild_tensor_v2\n"


# ------------------------------------------------------------------------------------------------------------ pickles


def text(value):
    """Push a str."""
    data = value.encode("utf-8")
    return b"X" + struct.pack("<I", len(data)) + data


def number(value):
    """Push an int."""
    if 0 <= value < 256:
        return bytes([ord("K"), value])
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    data = value.to_bytes((value.bit_length() + 8) // 8, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def tuple_of(*values):
    """Push a tuple of ints."""
    return b"(" + b"".join(map(number, values)) + b"t"


def storage(kind, key, count, where="torch"):
    """Push a reference to a storage."""
    name = f"c{where}\n{kind}Storage\n".encode()
    return b"(" + text("storage") + name + text(key) + text("cpu") + number(count) + b"tQ"


def tensor(kind, key, count, size=None, stride=None, offset=0):
    """Push a tensor; the shape is that of the whole storage and contiguous if not given."""
    size = (count,) if size is None else size
    if stride is None:
        stride = tuple(int(np.prod(size[axis + 1 :], dtype=np.int64)) for axis in range(len(size)))
    return V2 + b"(" + storage(kind, key, count) + number(offset) + tuple_of(*size) + tuple_of(*stride) + b"\x89}tR"


def dict_of(items):
    """Push a dict from str to what the operations push."""
    return b"}(" + b"".join(text(name) + operations for name, operations in items.items()) + b"u"


def state(items):
    """The pickle of a dict."""
    return PROTO + dict_of(items) + STOP


# ------------------------------------------------------------------------------------------------------------ layouts


def zipped(pickle, storages, root="archive", members=(), method=zipfile.ZIP_STORED):
    """The bytes of a zip archive; `members` are further (name, bytes)."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        everything = [("data.pkl", pickle)] + [(f"data/{key}", data) for key, data in storages.items()]
        for name, data in everything + list(members):
            archive.writestr(f"{root}/{name}", data)
    return file.getvalue()


def stream(pickle, storages, counts=None, keys=None):
    """The bytes of the layout before PyTorch 1.6. The storages are of float32 unless their counts are given."""
    keys = list(storages) if keys is None else keys
    names = PROTO + b"](" + b"".join(map(text, keys)) + b"e" + STOP
    tail = b"".join(struct.pack("<q", (counts or {}).get(key, len(data) // 4)) + data for key, data in storages.items())
    return MAGIC + VERSION + MACHINE + pickle + names + tail


def save(path, arrays, layout="zip"):
    """Write arrays as PyTorch would write them; each has a storage of its own."""
    items, storages, counts = {}, {}, {}
    for at, (name, array) in enumerate(arrays.items()):
        array = np.ascontiguousarray(array).reshape(np.shape(array))
        items[name] = tensor(STORAGES[array.dtype.name], str(at), array.size, array.shape)
        storages[str(at)], counts[str(at)] = array.tobytes(), array.size
    make = zipped if layout == "zip" else lambda pickle, data: stream(pickle, data, counts)
    with open(str(path), "wb") as file:
        file.write(make(state(items), storages))
    return str(path)
