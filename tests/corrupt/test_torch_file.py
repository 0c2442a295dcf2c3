"""Files of PyTorch that are broken or made to do harm: one for each operation, name and trick; then every cut."""

import io
import os
import pickle
import pickletools
import struct
import zipfile
from collections import OrderedDict

import numpy as np
import pytest

from b4k3.models.checkpoints import CheckpointError, open_checkpoint
from b4k3.models.checkpoints._pickle_reader import MAX_PICKLE, REFUSED
from support import torch_files as t

from .test_tf_bundle import check_refused

DATA = np.arange(6, dtype="float32").tobytes()
GOOD = t.state({"a": t.tensor("Float", "0", 6)})


def refused(folder, data, message, variable=None):
    path = folder / "pytorch_model.bin"
    path.write_bytes(data)
    check_refused(str(path), message, variable, [str(path)])


def refused_pickle(folder, operations, message, variable=None):
    """A pickle in each of the layouts."""
    refused(folder, t.zipped(operations, {"0": DATA}), message, variable)
    refused(folder, t.stream(operations, {"0": DATA}), message, variable)


# --------------------------------------------------------------------------------------------------------- operations

ALLOWED = set(
    "PROTO FRAME STOP MARK NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT BINUNICODE SHORT_BINUNICODE "
    "BINSTRING SHORT_BINSTRING EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST APPEND APPENDS EMPTY_DICT SETITEM "
    "SETITEMS BINPUT LONG_BINPUT MEMOIZE BINGET LONG_BINGET GLOBAL STACK_GLOBAL REDUCE BINPERSID BUILD".split()
)
OTHERS = [opcode for opcode in pickletools.opcodes if opcode.name not in ALLOWED]


def test_the_tables_have_every_operation():
    tables = {chr(code): name for code, name in REFUSED.items()}
    known = {opcode.code: opcode.name for opcode in OTHERS}
    newer = {"BYTEARRAY8", "NEXT_BUFFER", "READONLY_BUFFER"} - set(known.values())  # Python 3.7 has no protocol 5
    assert {code: name for code, name in tables.items() if name not in newer} == known


@pytest.mark.parametrize("opcode", OTHERS, ids=lambda opcode: opcode.name)
def test_operations_that_no_state_dict_needs(tmp_path, opcode):
    operations = t.PROTO + t.text("a") + opcode.code.encode("latin1") + b"0\n" * 8 + t.STOP
    refused_pickle(tmp_path, operations, f"the operation {opcode.name}, which no state_dict needs .at byte")


def test_bytes_that_are_no_operations(tmp_path):
    known = {ord(opcode.code) for opcode in pickletools.opcodes} | set(REFUSED)
    for code in sorted(set(range(256)) - known):
        with pytest.raises(CheckpointError, match=f"has the byte {code:#04x} where an operation should be"):
            path = tmp_path / "m.pt"
            path.write_bytes(t.zipped(t.PROTO + bytes([code]) + t.STOP, {}))
            open_checkpoint(str(path))


# -------------------------------------------------------------------------------------------------------------- names

NAMES = [
    "os system", "posix system", "nt system", "subprocess Popen", "builtins eval", "builtins exec", "__builtin__ eval",
    "builtins getattr", "builtins __import__", "builtins set", "builtins object", "importlib import_module",
    "runpy run_path", "webbrowser open", "operator attrgetter", "functools partial", "copyreg _reconstructor",
    "codecs decode", "_codecs encode", "collections Counter", "collections defaultdict", "collections namedtuple",
    "torch load", "torch tensor", "torch Tensor", "torch device", "torch hub.load", "torch.hub load",
    "torch._utils _rebuild_qtensor", "torch._utils _rebuild_sparse_tensor", "torch._utils _rebuild_tensor_v9",
    "torch._utils _rebuild_meta_tensor_no_storage", "torch._utils _rebuild_device_tensor_from_numpy",
    "torch._utils _import_dotted_name", "torch.nn.modules.linear Linear", "torch.storage _load_from_bytes",
    "torch QUInt8Storage", "torch quint8", "torch QInt32Storage", "torch per_tensor_affine", "torch sparse_coo",
    "torch._tensor _rebuild_from_type_v2", "torch.serialization load", "numpy load", "numpy dtype", "numpy ndarray",
    "numpy.core.multiarray _reconstruct", "transformers.models.bert.modeling_bert BertModel", "argparse Namespace",
    "b4k3.models build_transformer_model", "collections.OrderedDict fromkeys", "collections OrderedDict.fromkeys",
    "torch Size.__new__", " ", "torch ",
]  # fmt: skip
KINDS = {"quantized": "qtensor QUInt8 quint8 QInt32 per_tensor", "sparse": "sparse", "numpy": "numpy _codecs"}


@pytest.mark.parametrize("name", NAMES)
def test_names_that_no_state_dict_needs(tmp_path, name):
    module, attribute = name.split(" ")
    kind = next((kind for kind, words in KINDS.items() if any(word in name for word in words.split())), "")
    message = f"asks for '{module}.{attribute}', .*{kind}"
    refused(tmp_path, t.zipped(t.PROTO + f"c{module}\n{attribute}\n".encode() + b"(tR.", {}), message)
    refused(tmp_path, t.stream(t.PROTO + t.text(module) + t.text(attribute) + b"\x93)R.", {}), message)


class Harm:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_nothing_runs(tmp_path, protocol):
    """Real pickles that would write a file, remove one, or import a module."""
    mark = tmp_path / "mark"
    for harm in (Harm(os.mkdir, str(mark)), Harm(eval, f"open({str(mark)!r}, 'w')"), Harm(__import__, "antigravity")):
        for value in (harm, {"a": harm}, [harm], {"a": {"b": (1, harm)}}):
            refused_pickle(tmp_path, pickle.dumps(value, protocol), "asks for '(posix|nt|builtins|__builtin__)[.]")
    assert not mark.exists()


# ----------------------------------------------------------------------------------------------------- broken pickles


def rebuild(storage=None, offset=b"K\0", size=b"K\6\x85", stride=b"K\1\x85", more=b"\x89}", name=t.V2):
    """A call that makes a tensor, with any operations as arguments, as the value of a dict."""
    storage = t.storage("Float", "0", 6) if storage is None else storage
    return t.state({"a": name + b"(" + storage + offset + size + stride + more + b"tR"})


def persistent(*operations):
    return rebuild(b"(" + b"".join(operations) + b"tQ")


FLOAT = b"ctorch\nFloatStorage\n"
V3 = b"ctorch._utils\n_rebuild_tensor_v3\n"
UNTYPED = t.storage("Untyped", "0", 24, "torch.storage")
PICKLES = {
    "no pickle": (b"hello", "does not begin with the operation PROTO|no file of `torch.save`"),
    "protocol 0": (b"(lp0\n.", "PROTO"),
    "protocol 1": (b"\x80\x01}.", "protocol 1 here"),
    "protocol 6": (b"\x80\x06}.", "protocol 6 here"),
    "protocol twice": (b"\x80\x02\x80\x02}.", "protocol 2 here"),
    "no STOP": (t.PROTO + b"}", "it was cut short|no operations follow|takes|leaves|protocol"),
    "two values": (t.PROTO + b"}}.", "leaves more than one value"),
    "no value": (t.PROTO + b".", "takes more values than there are"),
    "a mark is left": (t.PROTO + b"(}.", "leaves more than one value|takes more"),
    "below the mark": (t.PROTO + b"}(s.", "takes more values than there are"),
    "no mark": (t.PROTO + b"}u.", "needs a mark"),
    "a key without a value": (t.PROTO + b"}(" + t.text("a") + b"u.", "a key without a value"),
    "a key twice": (t.PROTO + b"}(" + (t.text("a") + b"K\1") * 2 + b"u.", "the key 'a' twice"),
    "a key that is a tuple": (t.PROTO + b"})K\1s.", "a key of a dict that is a value of type tuple"),
    "a key that is a dict": (t.PROTO + b"}}K\1s.", "a key of a dict that is a value of type dict"),
    "a key that is true": (t.PROTO + b"}\x88K\1s.", "a key of a dict that is a value of type bool"),
    "append to a dict": (t.PROTO + b"}K\1a.", "into a value of type dict, expected a list"),
    "append to a function": (t.PROTO + t.V2 + b"K\1a.", "into torch._utils._rebuild_tensor_v2, expected a list"),
    "an item of a list": (t.PROTO + b"]K\1K\1s.", "into a value of type list, expected a dict"),
    "attributes of a list": (t.PROTO + b"]}b.", "attributes to a value of type list"),
    "attributes of a function": (t.PROTO + t.V2 + b"}b.", "attributes to torch._utils._rebuild_tensor_v2"),
    "attributes that are no dict": (t.PROTO + b"}]b.", "attributes to a value of type dict"),
    "a call of a str": (t.PROTO + t.text("a") + b")R.", "calls a value of type str"),
    "a call of a dtype": (t.PROTO + b"ctorch\nfloat32\n)R.", "calls a value of type DType"),
    "a call of a storage": (t.PROTO + FLOAT + b")R.", "calls a value of type _StorageType"),
    "a call without a tuple": (t.PROTO + t.V2 + b"]R.", "without a tuple"),
    "a call with too little": (t.PROTO + t.V2 + b")R.", "do not fit torch._utils._rebuild_tensor_v2"),
    "a call with too much": (rebuild(more=b"\x89}NNNN"), "do not fit torch._utils._rebuild_tensor_v2"),
    "an OrderedDict of a number": (t.PROTO + b"ccollections\nOrderedDict\nK\1\x85R.", "OrderedDict"),
    "an OrderedDict of no pairs": (t.PROTO + b"ccollections\nOrderedDict\n](K\1e\x85R.", "OrderedDict"),
    "a Size of a str": (t.PROTO + b"ctorch\nSize\n" + t.text("ab") + b"\x85R.", "torch.Size"),
    "a Size of lists": (t.PROTO + b"ctorch\nSize\n](]]e\x85R.", "torch.Size"),
    "a name that is a number": (t.PROTO + b"K\1K\1\x93.", "a name that is no str"),
    "a name without an end": (t.PROTO + b"ctorch", "a name without an end"),
    "a very long name": (t.PROTO + b"c" + b"x" * 5000 + b"\ny\n.", "a name without an end"),
    "a name that is not UTF-8": (t.PROTO + b"c\xff\nx\n.", "not UTF-8"),
    "a string that is not UTF-8": (t.PROTO + b"X\1\0\0\0\xff.", "not UTF-8"),
    "a surrogate": (t.PROTO + b"X\3\0\0\0\xed\xa0\x80.", "not UTF-8"),
    "a huge string": (t.PROTO + b"X\xff\xff\xff\xffabc.", "needs 4,294,967,295 bytes"),
    "a string of negative length": (t.PROTO + b"T\xff\xff\xff\xffabc.", "a string of -1 bytes"),
    "a long that is cut": (t.PROTO + b"\x8a\xff123.", "needs 255 bytes"),
    "a huge frame": (b"\x80\x04\x95" + b"\xff" * 8 + b"}.", "a frame of 18446744073709551615 bytes"),
    "a value that is not remembered": (t.PROTO + b"h\7.", "the value number 7, which was not remembered"),
    "nothing to remember": (t.PROTO + b"q\0.", "takes more values than there are"),
    "an id that is a str": (t.PROTO + t.text("a") + b"Q.", "not the id of a storage"),
    "an id of another kind": (persistent(t.text("module"), FLOAT, t.text("0"), t.text("cpu"), b"K\6"), "not the id"),
    "an id without a type": (persistent(t.text("storage"), b"N", t.text("0"), t.text("cpu"), b"K\6"), "another type"),
    "an id with a dtype": (
        persistent(t.text("storage"), b"ctorch\nfloat32\n", t.text("0"), t.text("cpu"), b"K\6"),
        "another type",
    ),
    "an id with a number": (persistent(t.text("storage"), FLOAT, b"K\0", t.text("cpu"), b"K\6"), "another type"),
    "an id of -6 elements": (
        persistent(t.text("storage"), FLOAT, t.text("0"), t.text("cpu"), t.number(-6)),
        "no number",
    ),
    "an id of True elements": (persistent(t.text("storage"), FLOAT, t.text("0"), t.text("cpu"), b"\x88"), "no number"),
    "an id of a view": (
        persistent(t.text("storage"), FLOAT, t.text("0"), t.text("cpu"), b"K\6", b"K\1\x85"),
        "a view of another one",
    ),
    "a storage that is none": (rebuild(b"N"), "the storage or the offset is of another type"),
    "an offset that is a str": (rebuild(offset=t.text("0")), "the storage or the offset is of another type"),
    "a size that is a list": (rebuild(size=b"](K\6e"), "a size or a stride is no tuple"),
    "a size of strings": (rebuild(size=t.text("6") + b"\x85"), "a size or a stride is no tuple"),
    "a size of True": (rebuild(size=b"\x88\x85"), "a size or a stride is no tuple"),
    "a size of fractions": (rebuild(size=b"G" + struct.pack(">d", 6.0) + b"\x85"), "a size or a stride is no tuple"),
    "a stride that is none": (rebuild(stride=b"N"), "a size or a stride is no tuple"),
    "conjugated": (rebuild(more=b"\x89}" + t.dict_of({"conj": b"\x88"})), "conjugates or negates"),
    "an untyped storage without a dtype": (rebuild(UNTYPED), "nothing says the dtype"),
    "a dtype that is a storage": (rebuild(UNTYPED, more=b"\x89}" + FLOAT, name=V3), "the dtype is of another type"),
    "a parameter of a number": (
        t.state({"a": b"ctorch._utils\n_rebuild_parameter\n(K\1\x89}tR"}),
        "the data are no tensor",
    ),
    "a list": (t.PROTO + b"].", "a value of type list, expected a dict|that no tensor refers to"),
    "a tensor under a number": (t.PROTO + b"}K\1" + t.tensor("Float", "0", 6) + b"s.", "under the number 1"),
}  # fmt: skip


@pytest.mark.parametrize("fault", list(PICKLES))
def test_a_pickle(tmp_path, fault):
    operations, message = PICKLES[fault]
    refused(tmp_path, t.zipped(operations, {"0": DATA}), message)
    if fault not in ("no STOP",):  # the next pickle follows there
        refused(tmp_path, t.stream(operations, {"0": DATA}), message)


VIEWS = {
    "a negative offset": (rebuild(offset=t.number(-1)), "a negative offset"),
    "a negative stride": (rebuild(stride=t.tuple_of(-1)), "a negative offset or stride"),
    "a negative size": (rebuild(size=t.tuple_of(-6)), "a negative dimension"),
    "a huge size": (rebuild(size=t.tuple_of(2**62)), "out of range"),
    "a huge size beside a zero": (rebuild(size=t.tuple_of(0, 2**62), stride=t.tuple_of(1, 1)), "out of range"),
    "a size beyond every number": (rebuild(size=t.tuple_of(2**400)), "out of range"),
    "too many dimensions": (rebuild(size=t.tuple_of(*[1] * 50), stride=t.tuple_of(*[1] * 50)), "50 dimensions"),
    "two strides for one dimension": (rebuild(stride=t.tuple_of(1, 1)), "2 strides for 1 dimensions"),
    "an offset beyond the storage": (rebuild(offset=b"K\1"), "ends at byte 28 of its storage, which has 24"),
    "a huge offset": (rebuild(offset=t.number(2**400)), "of its storage, which has 24"),
    "a stride beyond the storage": (rebuild(stride=b"K\2\x85"), "ends at byte 44 of its storage, which has 24"),
    "a huge stride": (rebuild(stride=t.tuple_of(2**62)), "of its storage, which has 24"),
    "a stride of 2**400": (rebuild(stride=t.tuple_of(2**400)), "of its storage, which has 24"),
    "a shape that is larger": (rebuild(size=b"K\7\x85"), "ends at byte 28 of its storage, which has 24"),
    "one number repeated a billion times": (rebuild(size=t.tuple_of(10**9), stride=b"K\0\x85"), "repeats 24 bytes to"),
    "a storage that is larger than it is": (t.state({"a": t.tensor("Float", "0", 7)}), "28|7 elements"),
    "a storage that is smaller than it is": (t.state({"a": t.tensor("Float", "0", 5)}), "20|5 elements"),
    "a storage of 2**400 elements": (rebuild(t.storage("Float", "0", 2**400)), "elements|bytes, not"),
    "another dtype": (
        t.state({"a": t.tensor("Double", "0", 6)}),
        "of 24 bytes, not 48|ends at byte|no length|elements",
    ),
    "a storage that is not there": (
        t.state({"a": t.tensor("Float", "1", 6), "b": t.tensor("Float", "0", 6)}),
        "which is not in the",
    ),
    "a storage in another folder": (
        t.state({"a": t.tensor("Float", "../data.pkl", 6), "b": t.tensor("Float", "0", 6)}),
        "which is not in the",
    ),
    "bool of other bytes": (t.state({"a": t.tensor("Bool", "0", 24)}), "bool, but has bytes other than|elements"),
}


@pytest.mark.parametrize("fault", list(VIEWS))
def test_a_view(tmp_path, fault):
    operations, message = VIEWS[fault]
    refused(tmp_path, t.zipped(operations, {"0": DATA}), message, "a")
    refused(tmp_path, t.stream(operations, {"0": DATA}), message)


# -------------------------------------------------------------------------------------------------------------- limits


FILLER = MAX_PICKLE - 100
BOMBS = {
    "lists": (b"(" + b"]" * FILLER, "makes more than 131,072 values"),
    "tuples": (b")" + b"\x85" * FILLER, "makes more than 131,072 values"),
    "strings": (b"X\0\0\0\0" * (FILLER // 5), "makes more than 131,072 values"),
    "memory": (b"K\1" + b"\x94" * FILLER, "remembers more than 131,072 values"),
    "marks": (b"(" * FILLER, "more than 524,288 operations"),
}


@pytest.mark.parametrize("bomb", list(BOMBS))
def test_memory_of_pickles_is_limited(tmp_path, bomb):
    """One byte makes a list, a dict or a number that is remembered."""
    operations, message = BOMBS[bomb]
    refused(tmp_path, t.zipped(t.PROTO + operations + t.STOP, {}), message)


def test_the_size_of_a_pickle_is_limited(tmp_path):
    huge = t.PROTO + b"X" + b"\xff\xff\xff\0" + b"x" * (MAX_PICKLE + 1)
    refused(tmp_path, t.zipped(huge, {}), "more than the 4,194,304")
    refused(tmp_path, t.stream(huge, {}), "it was cut short, or has more than 4,194,304 bytes")


def test_doubling_and_circles_take_no_time(tmp_path):
    """A list of two of the list before, 200 times over, and a dict and a list that hold themselves.

    Each list stays on the stack, where a tuple gathers them.
    """
    doubled = b"]q\0" + b"".join(
        b"](h" + bytes([at]) + b"h" + bytes([at]) + b"eq" + bytes([at + 1]) for at in range(200)
    )
    circles = {
        "a": t.tensor("Float", "0", 6),
        "b": b"(" + doubled + b"t",
        "c": b"]\x72\0\1\0\0j\0\1\0\0a",
        "d": b"}\x72\1\1\0\0" + t.text("d") + b"j\1\1\0\0s",
    }
    path = tmp_path / "m.pt"
    path.write_bytes(t.zipped(t.state(circles), {"0": DATA}))
    checkpoint = open_checkpoint(str(path))
    assert list(checkpoint) == ["a"] and set(checkpoint.skipped) == {"b", "c", "d"}


def test_deep_nests_take_no_stack(tmp_path):
    path = tmp_path / "m.pt"
    for opening, closing in ((b"]", b"a"), (b"", b"\x85")):
        nest = opening * 50000 + b")" + closing * 50000
        path.write_bytes(t.zipped(t.state({"a": t.tensor("Float", "0", 6), "b": nest}), {"0": DATA}))
        assert list(open_checkpoint(str(path))) == ["a"]


# ----------------------------------------------------------------------------------------------------------- archives


def put(data, name, at, format, *values, directory=True):
    """An archive with other numbers in the entry of a member: in the list at the end, or before its bytes."""
    mark, length = (b"PK\1\2", 46) if directory else (b"PK\3\4", 30)
    start = data.index(name) if not directory else data.rindex(name)
    start -= length
    assert data[start : start + 4] == mark
    packed = struct.pack(format, *values)
    return data[: start + at] + packed + data[start + at + len(packed) :]


ARCHIVE = t.zipped(GOOD, {"0": DATA})
ZERO = b"archive/data/0"


def zip64(count=2, size=None, offset=None):
    """The archive with the larger record at its end, which 0xFFFF and 0xFFFFFFFF in the usual one refer to."""
    ends, begins = ARCHIVE.rindex(b"PK\5\6"), ARCHIVE.index(b"PK\1\2")
    size, offset = ends - begins if size is None else size, begins if offset is None else offset
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, offset)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, ends, 1)
    usual = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return ARCHIVE[:ends] + record + locator + usual


def archive(*members, method=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as out:
        for name, data in members:
            out.writestr(name, data)
    return file.getvalue()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def archives():
    ends = ARCHIVE.rindex(b"PK\5\6")
    twice = archive(("archive/data.pkl", GOOD), ("archive/data/0", DATA), ("archive/data/1", DATA[::-1]))
    return {
        "two members of one name": (twice.replace(b"archive/data/1", ZERO), "'archive/data/0', which occurs twice"),
        "two members of one name in the list alone": (
            twice[: twice.rindex(b"data/1")] + b"data/0" + twice[twice.rindex(b"data/1") + 6 :],
            "occurs twice",
        ),
        "another name before the bytes": (ARCHIVE.replace(ZERO, b"archive/data/X", 1), "another name or method"),
        "another method before the bytes": (put(ARCHIVE, ZERO, 8, "<H", 8, directory=False), "another name or method"),
        "another size before the bytes": (put(ARCHIVE, ZERO, 18, "<L", 99, directory=False), "99 bytes in its local"),
        "a size beyond the file": (put(ARCHIVE, ZERO, 20, "<LL", 10**6, 10**6), "local header|beyond the end"),
        "a size of zip64 without a field": (put(ARCHIVE, ZERO, 20, "<LL", 2**32 - 1, 2**32 - 1), "zip|local|beyond"),
        "two sizes of a member that is stored": (put(ARCHIVE, ZERO, 24, "<L", 10**9), "beyond the end of the file"),
        "a member that begins within another": (put(ARCHIVE, ZERO, 42, "<L", 20), "does not begin behind"),
        "a member that begins nowhere": (put(ARCHIVE, ZERO, 42, "<L", len(ARCHIVE) - 5), "local header|zip archive"),
        "a member of the list itself": (put(ARCHIVE, ZERO, 42, "<L", ARCHIVE.index(b"PK\1\2")), "no local header"),
        "a compressed member": (t.zipped(GOOD, {"0": bytes(24)}, method=zipfile.ZIP_DEFLATED), "compressed or"),
        "a bomb": (t.zipped(GOOD, {"0": bytes(50 << 20)}, method=zipfile.ZIP_DEFLATED), "compressed or"),
        "an encrypted member": (put(put(ARCHIVE, ZERO, 8, "<H", 1), ZERO, 6, "<H", 1, directory=False), "encrypted"),
        "something before the archive": (b"PK\3\4" + bytes(30) + ARCHIVE, "does not begin behind"),
        "no end": (ARCHIVE[:ends], "zip archive"),
        "a list of zip64 that is huge": (zip64(size=2**63), "zip archive"),
        "a list of zip64 that is short": (zip64(size=46), "zip archive|does not begin behind|data.pkl"),
        "a list of zip64 that begins nowhere": (zip64(offset=2**62), "zip archive|does not begin behind"),
        "a list that begins elsewhere": (ARCHIVE[: ends + 16] + b"\0\0\0\x7f" + ARCHIVE[ends + 20 :], "does not begin"),
        "a member outside of the archive's folder": (archive(("a/data.pkl", GOOD), ("x", b"")), "not in a folder"),
        "a member with a parent folder": (
            archive(("archive/data.pkl", GOOD), ("/etc/passwd", b"x")),
            "'/etc/passwd', which is not in a folder",
        ),
        "a NUL in a name": (
            twice.replace(b"archive/data/1", b"archive/data/\0"),
            "which is not in a folder|another name",
        ),
        "two pickles": (archive(("a/data.pkl", GOOD), ("b/data.pkl", GOOD)), "holds 2 files NAME/data.pkl"),
        "TorchScript": (
            archive(("m/data.pkl", GOOD), ("m/code/__torch__.py", b""), ("m/constants.pkl", b"")),
            "program of TorchScript",
        ),
        "a byteorder that is none": (t.zipped(GOOD, {"0": DATA}, members=[("byteorder", b"middle")]), "byteorder"),
        "a byteorder that is huge": (t.zipped(GOOD, {"0": DATA}, members=[("byteorder", b"x" * 99)]), "than the 16"),
        "bytes behind the pickle": (t.zipped(GOOD + b"}", {"0": DATA}), "1 bytes behind the pickle"),
    }  # fmt: skip


@pytest.mark.parametrize("fault", list(archives()))
def test_an_archive(tmp_path, fault):
    data, message = archives()[fault]
    refused(tmp_path, data, message)


def test_an_archive_of_zip64(tmp_path):
    """That of a model of more than 4 GB."""
    (tmp_path / "m.pt").write_bytes(zip64())
    assert open_checkpoint(str(tmp_path / "m.pt"))["a"].tolist() == [0, 1, 2, 3, 4, 5]


def test_a_path_in_an_archive_leads_nowhere(tmp_path):
    """Nothing is unpacked: a name is only looked up among the names of the archive."""
    members = [("a/data.pkl", GOOD), ("a/data/0", DATA), ("a/../../outside", b"x"), ("a/data/../../up", b"x")]
    path = tmp_path / "m.pt"
    path.write_bytes(archive(*members))
    assert list(open_checkpoint(str(path))) == ["a"] and os.listdir(str(tmp_path)) == ["m.pt"]


# ------------------------------------------------------------------------------------------------------------- streams

STREAM = t.stream(GOOD, {"0": DATA})
STREAMS = {
    "another version": (STREAM.replace(t.VERSION, b"\x80\x02M\xea\x03."), "version 1002, expected 1001"),
    "another number": (STREAM.replace(b"\xa8P", b"\xa9P"), "no file of `torch.save`"),
    "a key twice": (t.stream(GOOD, {"0": DATA}, keys=["0", "0"]), "list of different names"),
    "no list": (t.MAGIC + t.VERSION + t.MACHINE + GOOD + t.PROTO + b"}.", "list of different names"),
    "a list of numbers": (t.MAGIC + t.VERSION + t.MACHINE + GOOD + t.PROTO + b"](K\0e.", "list of different names"),
    "a storage of nobody": (t.stream(GOOD, OrderedDict([("0", DATA), ("1", DATA)])), "'1' that no tensor refers to"),
    "a storage that is missing": (t.stream(GOOD, {}), "'0', which is not in the file"),
    "another number of elements": (t.stream(GOOD, {"0": DATA}, {"0": 5}), "of 5 elements, expected 6"),
    "a negative number of elements": (t.stream(GOOD, {"0": DATA}, {"0": -6}), "of -6 elements, expected 6"),
    "trailing bytes": (STREAM + b"x", "1 trailing bytes"),
    "two dtypes of a storage": (
        t.stream(t.state({"a": t.tensor("Float", "0", 6), "b": t.tensor("Int", "0", 6)}), {"0": DATA}),
        "two dtypes or sizes",
    ),
    "a persistent id in the list": (
        STREAM.replace(t.PROTO + b"](", t.PROTO + t.storage("Float", "9", 1) + b"](", 1),
        "leaves more than one value",
    ),
}


@pytest.mark.parametrize("fault", list(STREAMS))
def test_a_stream(tmp_path, fault):
    data, message = STREAMS[fault]
    refused(tmp_path, data, message)


@pytest.mark.parametrize("layout", ["zip", "stream"])
def test_every_cut(tmp_path, layout):
    """A file that ends at any byte is refused in our own words."""
    data = ARCHIVE if layout == "zip" else STREAM
    path = tmp_path / "m.bin"
    for size in range(len(data)):
        path.write_bytes(data[:size])
        with pytest.raises(CheckpointError) as caught:
            open_checkpoint(str(path))["a"]
        assert str(path) in str(caught.value)
