"""The names that the pickle of a state_dict may have, and what stands for each of them: records of ours.

PyTorch writes a tensor as a call with a reference to its storage, whose bytes lie elsewhere in the file:

    torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks)
    storage = persistent id ("storage", torch.FloatStorage, key, location, number of elements)

Offset and stride count elements. Several tensors can have one storage: tied matrices, or slices of one tensor.

Reference: https://github.com/pytorch/pytorch/blob/main/torch/_utils.py and torch/serialization.py beside it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from . import _dtypes
from ._pickle_reader import Function, PickleRefusal

# The names of torch's storages, which say the dtype of the elements.
_STORAGES = {
    "Double": "float64", "Float": "float32", "Half": "float16", "BFloat16": "bfloat16", "Long": "int64",
    "Int": "int32", "Short": "int16", "Char": "int8", "Byte": "uint8", "Bool": "bool", "ComplexFloat": "complex64",
    "ComplexDouble": "complex128",
}  # fmt: skip
# The dtypes without a storage of their own: listed, but not read unless numpy has them.
_OTHER_DTYPES = ("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu")
_UNTYPED = "untyped"


class DType(NamedTuple):
    """A dtype of torch, as a value of a pickle.

    Attributes:
        name: str. The name without `torch.`.
        size: int. The bytes of an element.
    """

    name: str
    size: int


class Storage(NamedTuple):
    """A reference to the bytes of a storage.

    Attributes:
        dtype: `DType` of the elements; of size 1 and called 'untyped' if the tensors say the dtype.
        key: str. The name of the storage in the file.
        count: int. The number of its elements.
    """

    dtype: DType
    key: str
    count: int


class Tensor(NamedTuple):
    """A tensor: a view of a storage. Nothing of it has been checked yet but the types.

    Attributes:
        storage: `Storage`.
        offset: int. The place of its first element in the storage.
        size: tuple of int. The shape.
        stride: tuple of int. The steps in the storage along each axis, counted in elements.
        dtype: `DType` of the elements.
    """

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: DType


def persistent(value: Any) -> Storage:
    """Make the reference to a storage of a persistent id.

    Arguments:
        value: what the pickle has: ("storage", type, key, location, count), and in old files None or a view.

    Returns:
        `Storage`.

    Raises:
        ValueError: the id is another one.
        PickleRefusal: it is a view of another storage, which PyTorch wrote before version 0.4.
    """
    if not isinstance(value, tuple) or len(value) not in (5, 6) or value[0] != "storage":
        raise ValueError("it is not the id of a storage")
    _, kind, key, location, count = value[:5]
    if not isinstance(kind, _StorageType) or not isinstance(key, str) or not isinstance(location, str):
        raise ValueError("the type, the key or the place of the storage is of another type")
    if type(count) is not int or count < 0:
        raise ValueError("the number of its elements is no number")
    if len(value) == 6 and value[5] is not None:
        raise PickleRefusal("has a storage that is a view of another one; load and save it with a PyTorch of today")
    return Storage(kind.dtype, key, count)


class _StorageType(NamedTuple):
    """What stands for a class of storages."""

    dtype: DType


def _integers(value: Any) -> tuple[int, ...]:
    """Check a shape or strides."""
    if not isinstance(value, tuple) or not all(type(number) is int for number in value):
        raise ValueError("a size or a stride is no tuple of integers")
    return value


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, dtype: DType | None, metadata: Any) -> Tensor:
    """Make the record of a tensor."""
    if not isinstance(storage, Storage) or type(offset) is not int:
        raise ValueError("the storage or the offset is of another type")
    if metadata:
        raise PickleRefusal("has a view that conjugates or negates; save resolve_conj() and resolve_neg() of it")
    if dtype is None:
        dtype = storage.dtype
    if not isinstance(dtype, DType) or dtype.name == _UNTYPED:
        raise ValueError("nothing says the dtype")
    return Tensor(storage, offset, _integers(size), _integers(stride), dtype)


def _rebuild_tensor(storage: Any, offset: Any, size: Any, stride: Any) -> Tensor:
    """`torch._utils._rebuild_tensor`, of PyTorch before 0.4."""
    return _tensor(storage, offset, size, stride, None, None)


def _rebuild_tensor_v2(
    storage: Any, offset: Any, size: Any, stride: Any, requires_grad: Any, hooks: Any, metadata: Any = None
) -> Tensor:
    """`torch._utils._rebuild_tensor_v2`. The hooks of a gradient are not needed."""
    return _tensor(storage, offset, size, stride, None, metadata)


def _rebuild_tensor_v3(
    storage: Any, offset: Any, size: Any, stride: Any, requires_grad: Any, hooks: Any, dtype: Any, metadata: Any = None
) -> Tensor:
    """`torch._utils._rebuild_tensor_v3`, of an untyped storage."""
    if not isinstance(dtype, DType):
        raise ValueError("the dtype is of another type")
    return _tensor(storage, offset, size, stride, dtype, metadata)


def _rebuild_parameter(data: Any, requires_grad: Any, hooks: Any) -> Tensor:
    """`torch._utils._rebuild_parameter`: the tensor itself."""
    if not isinstance(data, Tensor):
        raise ValueError("the data are no tensor")
    return data


def _ordered_dict(items: Any = ()) -> dict[Any, Any]:
    """`collections.OrderedDict`. Python 2 gives the items as a list of pairs; later ones set them afterwards."""
    if not isinstance(items, (list, tuple)):
        raise ValueError("the items are no list")
    found: dict[Any, Any] = {}
    for item in items:
        if not isinstance(item, (list, tuple)) or len(item) != 2 or not isinstance(item[0], str) or item[0] in found:
            raise ValueError("an item is no pair of a str, which occurs once, and a value")
        found[item[0]] = item[1]
    return found


def _size(numbers: Any = ()) -> tuple[int, ...]:
    """`torch.Size`."""
    return _integers(tuple(numbers) if isinstance(numbers, list) else numbers)


def _table() -> dict[tuple[str, str], Any]:
    """Make the table of names."""
    table: dict[tuple[str, str], Any] = {}
    for name in list(_dtypes.ITEM_SIZE) + list(_OTHER_DTYPES):
        table["torch", name] = DType(name, _dtypes.ITEM_SIZE.get(name, 1))
    for name, dtype in _STORAGES.items():
        table["torch", name + "Storage"] = _StorageType(table["torch", dtype])
    table["torch.storage", "UntypedStorage"] = table["torch", "UntypedStorage"] = _StorageType(DType(_UNTYPED, 1))
    for function in (_rebuild_tensor, _rebuild_tensor_v2, _rebuild_tensor_v3, _rebuild_parameter):
        table["torch._utils", function.__name__] = Function("torch._utils." + function.__name__, function)
    table["torch", "Size"] = Function("torch.Size", _size)
    table["collections", "OrderedDict"] = Function("collections.OrderedDict", _ordered_dict)
    return table


NAMES = _table()

_QUANTIZED = ("torch._utils._rebuild_qtensor", "torch.QInt", "torch.QUInt", "torch.qint", "torch.quint")
_QUANTIZED += ("torch.per_", "torch.ao.")
_KINDS = (
    (_QUANTIZED, "which is of a quantized tensor; save the weights as floats"),
    (("torch._utils._rebuild_sparse", "torch.sparse"), "which is of a sparse tensor; save tensor.to_dense()"),
    (("torch._utils._rebuild_meta",), "which is of a tensor without numbers; save the model once it has weights"),
    (
        ("numpy.", "_codecs.", "torch._utils._rebuild_device_tensor_from_numpy"),
        "which is of an array of numpy or of bytes, and not of a tensor; save tensors alone",
    ),
)


def explain(name: str) -> str:
    """Say what a name is that is not allowed.

    Arguments:
        name: str. 'torch._utils._rebuild_qtensor' for example.

    Returns:
        str, to follow the name.
    """
    for starts, text in _KINDS:
        if name.startswith(starts):
            return text
    return "which no state_dict needs; what a file names is never imported or called"
