"""Read the few operations of a pickle that a state_dict needs. Nothing is imported, and nothing of the file is called.

A pickle is a program for a machine with a stack. For {"a": 1} it is, in protocol 2:

    80 02           PROTO 2       the version of the language
    7d              EMPTY_DICT    push {}
    71 00           BINPUT 0      remember the top of the stack as number 0
    58 01000000 61  BINUNICODE    push "a"
    4b 01           BININT1       push 1
    73              SETITEM       pop both, and put them into the dict below
    2e              STOP          the top of the stack is the result

The operations GLOBAL, REDUCE and others let a pickle call any function that Python can import. Here GLOBAL finds a name
in a table of the caller, which has our own objects, and REDUCE calls only what that table says. What is not in the
table, and every operation that a state_dict does not need, is refused by name.

The memory is limited beforehand: a pickle of one megabyte could make a million lists.

Reference: https://github.com/python/cpython/blob/main/Lib/pickletools.py, which describes each operation.
"""

from __future__ import annotations

import struct
from typing import Any, Callable, Mapping, NoReturn

MAX_PICKLE = 4 << 20  # bytes; a tensor takes two hundred, so ten thousand tensors fit in all of the limits
MAX_OPERATIONS = 1 << 19  # a tensor takes fifty
MAX_OBJECTS = 1 << 17  # values that are made, and values that are remembered; a tensor takes thirteen
KEYS = (str, int)  # types of the keys of a dict; the hash of nested tuples could take for ever

_CONSTANTS: dict[int, Any] = {ord("N"): None, 0x88: True, 0x89: False, ord(")"): ()}
_NUMBERS = {ord("K"): "<B", ord("M"): "<H", ord("J"): "<i", ord("G"): ">d"}
_STRINGS = {ord("X"): "<I", 0x8C: "<B", ord("T"): "<i", ord("U"): "<B"}  # the format of the length
_PUTS = {ord("q"): "<B", ord("r"): "<I"}
_GETS = {ord("h"): "<B", ord("j"): "<I"}
_TUPLES = {0x85: 1, 0x86: 2, 0x87: 3}

# The operations that a state_dict does not need.
REFUSED = {
    ord("0"): "POP", ord("1"): "POP_MARK", ord("2"): "DUP", ord("F"): "FLOAT", ord("I"): "INT", ord("L"): "LONG",
    ord("P"): "PERSID", ord("S"): "STRING", ord("V"): "UNICODE", ord("d"): "DICT", ord("g"): "GET", ord("i"): "INST",
    ord("l"): "LIST", ord("o"): "OBJ", ord("p"): "PUT", ord("B"): "BINBYTES", ord("C"): "SHORT_BINBYTES",
    0x81: "NEWOBJ", 0x82: "EXT1", 0x83: "EXT2", 0x84: "EXT4", 0x8B: "LONG4", 0x8D: "BINUNICODE8", 0x8E: "BINBYTES8",
    0x8F: "EMPTY_SET", 0x90: "ADDITEMS", 0x91: "FROZENSET", 0x92: "NEWOBJ_EX", 0x96: "BYTEARRAY8",
    0x97: "NEXT_BUFFER", 0x98: "READONLY_BUFFER",
}  # fmt: skip


class PickleError(ValueError):
    """A pickle that breaks the format. The message is a sentence without its subject; the caller adds the file."""


class PickleRefusal(ValueError):
    """A pickle that asks for more than a state_dict needs. The message is a sentence without its subject."""


class Function:
    """A name that a pickle may call.

    Arguments:
        name: str. The name in the pickle, for error messages.
        call: function that takes the arguments of the pickle. It raises TypeError or ValueError if they do not fit.

    Example:
        >>> from b4k3.models.checkpoints._pickle_reader import Function
        >>> Function("torch.Size", tuple).call([2, 3])
        (2, 3)
    """

    def __init__(self, name: str, call: Callable[..., Any]) -> None:
        self.name, self.call = name, call


class PickleReader:
    """Run one pickle.

    Arguments:
        data: bytes. The pickle, and perhaps more behind it.
        names: dict from (module, name) to the object that stands for it.
        persistent: function that makes an object of a persistent id. It raises TypeError or ValueError if it cannot.
        explain: function from "module.name" to a str that says what a refused name is.
        start: int. The position of `data` in the file, for error messages.

    Attributes:
        end: int. The position in `data` behind the pickle, once it was read.

    Example:
        >>> from b4k3.models.checkpoints._pickle_reader import PickleReader
        >>> PickleReader(b'\\x80\\x02}q\\x00X\\x01\\x00\\x00\\x00aK\\x01s.').read()
        {'a': 1}
    """

    def __init__(
        self,
        data: bytes,
        names: Mapping[tuple[str, str], Any] | None = None,
        persistent: Callable[[Any], Any] | None = None,
        explain: Callable[[str], str] = str,
        start: int = 0,
    ) -> None:
        self._data, self._names, self._persistent, self._explain = data, names or {}, persistent, explain
        self._start = start
        self._at = 0  # of the operation
        self.end = 0  # of what was read
        self._stack: list[Any] = []
        self._marks: list[int] = []  # the height of the stack at each mark
        self._memo: dict[int, Any] = {}
        self._made = 0

    def read(self) -> Any:
        """Run the operations up to STOP.

        Returns:
            What the pickle holds: dict, list, tuple, str, int, float, bool, None, and objects of the table of names.

        Raises:
            PickleError: the pickle is damaged, or larger than the limits.
            PickleRefusal: it asks for an operation or a name that is not allowed.
        """
        if self._data[:1] != b"\x80":
            self._fail("does not begin with the operation PROTO")
        for _ in range(MAX_OPERATIONS):
            self._at = self.end
            code = self._take(1)[0]
            if code == ord("."):
                value = self._pop()
                if self._stack or self._marks:
                    self._fail("leaves more than one value")
                return value
            self._run(code)
        self._refuse(f"has more than {MAX_OPERATIONS:,} operations")

    def _run(self, code: int) -> None:
        """Run one operation."""
        if code in _CONSTANTS:
            self._stack.append(_CONSTANTS[code])
        elif code in _NUMBERS:
            self._push(self._number(_NUMBERS[code]))
        elif code in _STRINGS:
            self._push(self._string(_STRINGS[code]))
        elif code in _PUTS:
            self._remember(self._number(_PUTS[code]))
        elif code in _GETS:
            self._recall(self._number(_GETS[code]))
        elif code in _TUPLES:
            self._push(tuple(self._pop_several(_TUPLES[code])))
        elif code in _OTHERS:
            _OTHERS[code](self)
        elif code in REFUSED:
            self._refuse(f"has the operation {REFUSED[code]}, which no state_dict needs")
        else:
            self._fail(f"has the byte {code:#04x} where an operation should be")

    # ------------------------------------------------------------------------------------------------ the operations

    def _proto(self) -> None:
        """PROTO: check the version."""
        version = self._take(1)[0]
        if self._at or not 2 <= version <= 5:
            self._refuse(f"says protocol {version} here; expected 2 to 5, once, at the beginning")

    def _frame(self) -> None:
        """FRAME: the length of the operations that follow, by which others read ahead."""
        size = self._number("<Q")
        if size > len(self._data) - self.end:
            self._fail(f"has a frame of {size} bytes, {len(self._data) - self.end} follow")

    def _long(self) -> None:
        """LONG1: push an integer of up to 255 bytes."""
        self._push(int.from_bytes(self._take(self._take(1)[0]), "little", signed=True))

    def _mark(self) -> None:
        """MARK: remember the height of the stack."""
        self._marks.append(len(self._stack))

    def _tuple(self) -> None:
        """TUPLE: make a tuple of the values above the mark."""
        self._push(tuple(self._pop_to_mark()))

    def _memoize(self) -> None:
        """MEMOIZE: remember the top of the stack under the next number."""
        self._remember(len(self._memo))

    def _append(self) -> None:
        """APPEND: put a value into the list below it."""
        value = self._pop()
        self._top(list).append(value)

    def _appends(self) -> None:
        """APPENDS: put the values above the mark into the list below it."""
        values = self._pop_to_mark()
        self._top(list).extend(values)

    def _set_item(self) -> None:
        """SETITEM: put a key and a value into the dict below them."""
        pair = self._pop_several(2)
        self._put(self._top(dict), pair)

    def _set_items(self) -> None:
        """SETITEMS: put the keys and values above the mark into the dict below it."""
        values = self._pop_to_mark()
        self._put(self._top(dict), values)

    def _global(self) -> None:
        """GLOBAL: push what stands for a name, which is written as two lines."""
        lines = []
        for _ in range(2):
            stop = self._data.find(b"\n", self.end, self.end + 1000)
            if stop < 0:
                self._fail("has a name without an end")
            lines.append(self._decoded(self._take(stop - self.end)))
            self.end += 1
        self._find(lines[0], lines[1])

    def _stack_global(self) -> None:
        """STACK_GLOBAL: push what stands for a name, whose two parts are on the stack."""
        module, name = self._pop_several(2)
        if not isinstance(module, str) or not isinstance(name, str):
            self._fail("has a name that is no str")
        self._find(module, name)

    def _reduce(self) -> None:
        """REDUCE: call a function of the table."""
        function, arguments = self._pop_several(2)
        if not isinstance(function, Function):
            self._refuse(f"calls {_shown(function)}, which is no function")
        if not isinstance(arguments, tuple):
            self._fail(f"calls {function.name} without a tuple of arguments")
        self._push(self._called(function.name, function.call, *arguments))

    def _persistent_id(self) -> None:
        """BINPERSID: push what stands for a persistent id."""
        if self._persistent is None:
            self._refuse("has the operation BINPERSID, which does not belong here")
        self._push(self._called("a persistent id", self._persistent, self._pop()))

    def _build(self) -> None:
        """BUILD: give an object its attributes. A state_dict has `_metadata`, which nobody needs here."""
        target, state = self._pop_several(2)
        if not isinstance(target, dict) or not isinstance(state, dict):
            self._refuse(f"gives attributes to {_shown(target)}, which no state_dict needs (the operation BUILD)")
        self._stack.append(target)

    # ---------------------------------------------------------------------------------------------------- the stack

    def _take(self, count: int) -> bytes:
        """Read bytes."""
        data = self._data[self.end : self.end + count]
        if len(data) != count:
            limit = f", or has more than {MAX_PICKLE:,} bytes" if len(self._data) >= MAX_PICKLE else ""
            self._fail(f"needs {count:,} bytes, and {len(data):,} follow: it was cut short{limit}")
        self.end += count
        return data

    def _number(self, format: str) -> Any:
        """Read a number."""
        (value,) = struct.unpack(format, self._take(struct.calcsize(format)))
        return value

    def _string(self, format: str) -> str:
        """Read a str and the length before it."""
        size = self._number(format)
        if size < 0:
            self._fail(f"has a string of {size} bytes")
        return self._decoded(self._take(size))

    def _decoded(self, data: bytes) -> str:
        """Decode UTF-8."""
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            self._fail("has a string that is not UTF-8")

    def _push(self, value: Any) -> None:
        """Push a value that was made."""
        self._made += 1
        if self._made > MAX_OBJECTS:
            self._refuse(f"makes more than {MAX_OBJECTS:,} values")
        self._stack.append(value)

    def _pop(self) -> Any:
        """Pop a value above the last mark."""
        return self._pop_several(1)[0]

    def _pop_several(self, count: int) -> list[Any]:
        """Pop values above the last mark, in the order in which they were pushed."""
        bottom = self._marks[-1] if self._marks else 0
        if len(self._stack) - bottom < count:
            self._fail("takes more values than there are")
        values = self._stack[-count:]
        del self._stack[-count:]
        return values

    def _pop_to_mark(self) -> list[Any]:
        """Pop the last mark and all values above it."""
        if not self._marks:
            self._fail("needs a mark, and there is none")
        bottom = self._marks.pop()
        values = self._stack[bottom:]
        del self._stack[bottom:]
        return values

    def _top(self, kind: type) -> Any:
        """Return the top of the stack, which must be of a type."""
        value = self._pop()
        if not isinstance(value, kind):
            self._fail(f"puts a value into {_shown(value)}, expected a {kind.__name__}")
        self._stack.append(value)
        return value

    def _put(self, target: dict[Any, Any], values: list[Any]) -> None:
        """Put keys and values, one after the other, into a dict."""
        if len(values) % 2:
            self._fail("has a key without a value")
        for key, value in zip(values[::2], values[1::2]):
            if type(key) not in KEYS:
                self._refuse(f"has a key of a dict that is {_shown(key)}, expected a str or an int")
            if key in target:
                self._fail(f"has the key {str(key)[:200]!r} twice")
            target[key] = value

    def _remember(self, number: int) -> None:
        """Remember the top of the stack."""
        if len(self._memo) >= MAX_OBJECTS:
            self._refuse(f"remembers more than {MAX_OBJECTS:,} values")
        self._memo[number] = self._top(object)

    def _recall(self, number: int) -> None:
        """Push a value that is remembered."""
        if number not in self._memo:
            self._fail(f"asks for the value number {number}, which was not remembered")
        self._stack.append(self._memo[number])

    def _find(self, module: str, name: str) -> None:
        """Push what stands for a name."""
        if (module, name) not in self._names:
            full = f"{module}.{name}"[:200]
            self._refuse(f"asks for {full!r}, {self._explain(full)}")
        self._stack.append(self._names[module, name])

    def _called(self, what: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function of ours, and say where it failed."""
        try:
            return function(*arguments)
        except PickleRefusal as error:
            self._refuse(str(error))
        except (TypeError, ValueError) as error:
            self._fail(f"has arguments that do not fit {what}: {str(error)[:200]}")

    def _fail(self, what: str) -> NoReturn:
        """Raise the error for a pickle that breaks the format."""
        raise PickleError(f"{what} (at byte {self._start + self._at})")

    def _refuse(self, what: str) -> NoReturn:
        """Raise the error for a pickle that asks for too much."""
        raise PickleRefusal(f"{what} (at byte {self._start + self._at})")


_OTHERS: dict[int, Callable[[PickleReader], None]] = {
    0x80: PickleReader._proto,
    0x95: PickleReader._frame,
    0x8A: PickleReader._long,
    ord("("): PickleReader._mark,
    ord("t"): PickleReader._tuple,
    0x94: PickleReader._memoize,
    ord("]"): lambda reader: reader._push([]),
    ord("}"): lambda reader: reader._push({}),
    ord("a"): PickleReader._append,
    ord("e"): PickleReader._appends,
    ord("s"): PickleReader._set_item,
    ord("u"): PickleReader._set_items,
    ord("c"): PickleReader._global,
    0x93: PickleReader._stack_global,
    ord("R"): PickleReader._reduce,
    ord("Q"): PickleReader._persistent_id,
    ord("b"): PickleReader._build,
}


def _shown(value: Any) -> str:
    """Name a value for an error message, without what is in it."""
    return value.name if isinstance(value, Function) else f"a value of type {type(value).__name__}"
