"""Files of `torch.save` in both layouts and every protocol, and what is in them: `tests/golden/torch_files/`.

Needs torch alone. `python tests/huggingface/torch_files.py` writes the folder anew. Everything is a constant.
"""

from __future__ import annotations

import pathlib
from collections import OrderedDict

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent / "golden" / "torch_files"
OF_NUMPY = "float64 float32 float16 int64 int32 int16 int8 uint8 bool".split()
UNTYPED = "uint16 uint32 uint64".split()  # without a storage of their own; PyTorch cannot load them from a stream
SKIPPED = {
    "complex": "complex64",
    "size": "tuple",
    "dtype": "torch.dtype",
    "steps": "int",
    "huge": "int",
    "rate": "float",
    "trained": "bool",
    "nothing": "NoneType",
    "note": "str",
    "list": "list",
}


def state(zipped: bool):
    """A state_dict with every dtype, every kind of view, and entries that are no tensors."""
    import torch

    values = OrderedDict(torch.nn.LayerNorm(4).state_dict())
    values._metadata = OrderedDict([("", {"version": 1})])
    for name in OF_NUMPY + ["bfloat16"] + (UNTYPED if zipped else []):
        dtype = getattr(torch, name)
        tensor = torch.tensor([[0, 1, 3], [1, 0, 100]]).to(dtype)
        values[f"{name}.whole"], values[f"{name}.turned"] = tensor, tensor.t()
        values[f"{name}.scalar"], values[f"{name}.empty"] = tensor[1, 2], tensor[:, 3:]
    base = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
    values["base"], values["part"], values["every.second"] = base, base[1, 1:, 1:3], base[..., ::2]
    values["permuted"], values["behind.the.end"] = base.permute(2, 0, 1), base[2:]
    values["position_ids"] = torch.arange(5).expand((1, -1))
    values["repeated"] = torch.tensor([2.5]).expand(3, 4)
    values["parameter"] = torch.nn.Parameter(torch.tensor([1.5, -2.0]))
    values["层/嵌入"] = torch.tensor([float("nan"), float("inf"), -0.0, 1e-45])
    values["complex"] = torch.zeros(2, dtype=torch.complex64)
    if zipped:
        values["float8"] = torch.zeros(3).to(torch.float8_e4m3fn)
    values.update(size=torch.Size([1, 2]), dtype=torch.float32, steps=-5, huge=2**70, rate=0.5, trained=True)
    values.update(nothing=None, note="é" * 300, list=[1, (2, {"a": []})])
    return values


def arrays(values):
    """What a checkpoint should give for the tensors that can be read."""
    import torch

    found = {}
    for name, value in values.items():
        if isinstance(value, torch.Tensor) and name not in ("complex", "float8"):
            value = value.detach()
            found[name] = value.float().numpy() if value.dtype is torch.bfloat16 else value.numpy()
    return found


def save(path, values, zipped, protocol) -> None:
    """Write a file as PyTorch does."""
    import torch

    torch.save(values, str(path), pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)


def main() -> None:
    """Write the golden files."""
    for zipped in (True, False):
        values = state(zipped)
        for protocol in (2, 3, 4, 5):
            if zipped or protocol in (2, 4):
                save(ROOT / f"{'zip' if zipped else 'stream'}-{protocol}.bin", values, zipped, protocol)
    np.savez_compressed(str(ROOT / "expected.npz"), **arrays(state(True)))


if __name__ == "__main__":
    main()
