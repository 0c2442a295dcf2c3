"""Which weight several devices share along which axis, by the description of the network.

This is the division of Megatron-LM. Take a feed-forward layer of the sizes 768 and 3072 on four devices. Its first
kernel [768, 3072] is cut into four kernels [768, 768] by its columns, and so is its bias [3072]. Each device computes
768 of the 3072 hidden units, and applies the activation to them. Its second kernel [3072, 768] is cut by its rows:
each device multiplies its hidden units by its rows, and the sum over the devices is the output. So the devices
exchange numbers once, for the sum. Attention is cut alike, by whole heads, and the token embeddings by the ids. What is
small and belongs to no cut axis lies on every device: normalisations, the biases of second kernels, and the tables of
positions and segments.

The axes of a variable say where it is cut, since they have names: "query_size" is cut by heads, for example. Where two
axes have one name, the `split` of the variable says it.

Reference: Shoeybi et al., Megatron-LM, https://arxiv.org/abs/1909.08053
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Mapping, NamedTuple, Sequence

from b4k3.backend import base_weights, layout_map, mesh_axes, weight_path

from ..errors import ConfigError
from ..networks.parts import skeleton

if TYPE_CHECKING:
    from ..networks.parts import Sizes, Variable

# An axis that is cut, and the key that says how many pieces of it must stay whole.
CUT = {
    "query_size": "num_attention_heads",
    "value_size": "num_attention_heads",
    "group_size": "num_key_value_heads",
    "num_attention_heads": "num_attention_heads",
    "intermediate_size": "intermediate_size",
    "decoder_intermediate_size": "decoder_intermediate_size",
    "gau_size": "gau_size",
    "vocab_size": "vocab_size",
}
INSTEAD = ("embedding_size", "hidden_size")  # the axis of the embeddings that is cut if the vocabulary cannot be
MODEL = "model"  # the axis of the mesh that cuts weights
REFUSE, REPLICATE = "refuse", "replicate"
MB = 1e6


class Share(NamedTuple):
    """How one weight lies on the devices.

    Attributes:
        path: str. The path of the weight in the Keras model.
        shape: tuple of int. The shape of the whole weight.
        dtype: str. The dtype of the weight.
        axis: int or None. The axis that is cut; None if every device holds all of it.
        note: str. Why it is not cut, or not where one expects it; empty if there is nothing to say.

    Example:
        >>> Share("Dense/kernel", (4, 8), "float32", 1).bytes
        128
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    axis: int | None
    note: str = ""

    @property
    def elements(self) -> int:
        """The number of elements of the whole weight."""
        count = 1
        for size in self.shape:
            count *= size
        return count

    @property
    def bytes(self) -> int:
        """The bytes of the whole weight."""
        digits = re.search(r"\d+", self.dtype)
        return self.elements * (int(digits.group()) // 8 if digits else 1)


class Plan:
    """How the weights of a network lie on several devices, and how many bytes each device holds. Print it to read it.

    Arguments:
        shares: list of `Share`, one for each weight.
        parts: int. The number of devices that share the weights.

    Attributes:
        shares: list of `Share`. The argument.
        parts: int. The argument.

    Example:
        >>> shares = [Share("Dense/kernel", (4, 8), "float32", 1), Share("Dense/bias", (6,), "float32", None)]
        >>> plan = Plan(shares, 4)
        >>> plan.total_bytes, plan.bytes_per_device
        (152, 56)
        >>> plan.layouts()
        {'Dense/kernel': (None, 'model'), 'Dense/bias': (None,)}
    """

    def __init__(self, shares: Sequence[Share], parts: int) -> None:
        self.shares = list(shares)
        self.parts = parts

    @property
    def total_bytes(self) -> int:
        """The bytes of all weights, counted once."""
        return sum(share.bytes for share in self.shares)

    @property
    def bytes_per_device(self) -> int:
        """The bytes of the weights that each device holds."""
        return sum(share.bytes if share.axis is None else share.bytes // self.parts for share in self.shares)

    def training_bytes_per_device(self, slots: int = 2) -> int:
        """Count the bytes that each device holds in training, apart from activations.

        Arguments:
            slots: int. How many numbers the optimizer keeps for each weight: 2 for Adam and AdamW, 0 for SGD.

        Returns:
            int. Weights, gradients and slots, which Keras keeps in the dtype of the weights.
        """
        return (2 + slots) * self.bytes_per_device

    def layouts(self, axis: str = MODEL) -> dict[str, tuple[str | None, ...]]:
        """Say for each weight which of its axes an axis of a mesh cuts.

        Arguments:
            axis: str. The name of the axis of the mesh.

        Returns:
            dict from the path of a weight to a tuple of the name or None for each of its axes: what
            `keras.distribution.LayoutMap` takes.
        """
        return {s.path: tuple(axis if i == s.axis else None for i in range(len(s.shape))) for s in self.shares}

    @property
    def largest_unplanned(self) -> int:
        """The elements of the smallest kernel that is cut. A weight beyond the plan must not have more."""
        return min((s.elements for s in self.shares if s.axis is not None and len(s.shape) > 1), default=1 << 62)

    def __str__(self) -> str:
        """Write the plan as a table, in which the weights that differ only in numbers have one row."""
        rows: dict[tuple[Any, ...], list[Share]] = {}
        for share in self.shares:
            rows.setdefault((skeleton(share.path), share.shape, share.dtype, share.axis, share.note), []).append(share)
        lines = [
            f"{len(self.shares)} weights on {self.parts} devices: {self.total_bytes / MB:,.1f} MB, "
            f"{self.bytes_per_device / MB:,.1f} MB on each device"
        ]
        width = max((len(path) for path, *_ in rows), default=0)
        for (path, shape, dtype, axis, note), alike in rows.items():
            cut = "whole" if axis is None else f"axis {axis} in {self.parts}"
            size = sum(share.bytes for share in alike) / (1 if axis is None else self.parts) / MB
            said = f"  ({note})" if note else ""
            lines.append(
                f"{path:{width}} {len(alike):4} x {list(shape)!s:16} {dtype:9} {cut:12} {size:10,.2f} MB{said}"
            )
        return "\n".join(lines)


def plan_of(transformer: Any, parts: int, uneven: str = REFUSE, layouts: Mapping[str, Sequence[Any]] = {}) -> Plan:
    """Plan how several devices share the weights of a network, by its description.

    Arguments:
        transformer: a built `Transformer`.
        parts: int. The number of devices that share the weights.
        uneven: str. "refuse" raises an error for a size that does not divide; "replicate" puts such a weight on every
            device, and the plan says so.
        layouts: dict from the path of a weight to a tuple with 'model' or None for each axis, for weights that lie
            otherwise than the description says.

    Returns:
        `Plan`.

    Raises:
        ConfigError: a size does not divide, or a large weight is not in the description, so that it would be whole on
            every device; the message lists all of them.

    Example:
        >>> from b4k3.models import build_transformer_model
        >>> config = {"vocab_size": 20, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        ...           "intermediate_size": 24, "hidden_act": "gelu"}
        >>> bert = build_transformer_model(config, return_keras_model=False)
        >>> plan = plan_of(bert, 2)
        >>> plan.layouts()["Transformer-0-FeedForward/intermediate/kernel"]
        (None, 'model')
        >>> print(str(plan).splitlines()[0])
        37 weights on 2 devices: 0.0 MB, 0.0 MB on each device
    """
    if uneven not in (REFUSE, REPLICATE):
        raise ConfigError(f"uneven={uneven!r}, expected {REFUSE!r} or {REPLICATE!r}")
    shares: list[Share] = []
    problems: list[str] = []
    nameless: list[Share] = []
    for weight, variable in described_weights(transformer):
        path, shape = weight_path(weight), tuple(int(size) for size in weight.shape)
        dtype = str(getattr(weight.dtype, "name", weight.dtype))
        if path in layouts:
            axes = tuple(layouts[path])
            shares.append(Share(path, shape, dtype, axes.index(MODEL) if MODEL in axes else None, "as it was asked"))
        elif variable is None and not getattr(weight, "trainable", True):
            shares.append(
                Share(path, shape, dtype, None, "computed, not trained")
            )  # such as NEZHA's table of positions
        elif variable is None:
            nameless.append(Share(path, shape, dtype, None, "not described"))
            shares.append(nameless[-1])
        else:
            axis, note, problem = cut_of(variable, shape, transformer.sizes, parts)
            if problem:
                problems.append(f"{path} {list(shape)}: {problem}")
            shares.append(Share(path, shape, dtype, axis, note or problem))
    found = Plan(shares, parts)
    unknown = [s for s in nameless if len(s.shape) > 1 and s.elements > found.largest_unplanned]
    problems = problems if uneven == REFUSE else []
    problems += [f"{s.path} {list(s.shape)}: the description does not have it" for s in unknown]
    if problems:
        refuse(problems, parts)
    return found


def refuse(problems: list[str], parts: int) -> None:
    """Raise the error that lists the weights which cannot be cut.

    Arguments:
        problems: list of str, a line for each weight.
        parts: int. The number of devices that share the weights.

    Raises:
        ConfigError: always.
    """
    alike = list({skeleton(line): line for line in reversed(problems)}.values())[::-1]
    more = f"\n  … and {len(alike) - 10} more" if len(alike) > 10 else ""
    raise ConfigError(
        f"{len(problems)} weights cannot be shared by {parts} devices:\n  "
        + "\n  ".join(alike[:10])
        + more
        + "\nWhat to do: take a number of devices that divides these sizes; or uneven='replicate', so that every "
        "device holds these weights; or layouts={path: axes}."
    )


def described_weights(transformer: Any) -> list[tuple[Any, Variable | None]]:
    """Find the weights of a network, and the variable of the description that each of them is.

    Arguments:
        transformer: a built `Transformer`.

    Returns:
        list of (weight, `Variable`), with None for a weight that the description does not have.
    """
    mapping, description = transformer.mapping_of_layers(), transformer.description
    found = []
    for name, layer in transformer.layers.items():
        if not getattr(layer, "weights", ()):  # inputs are tensors
            continue
        names = mapping.get(name, [])
        for i, weight in enumerate(base_weights(layer)):
            entry = description.find(names[i]) if i < len(names) else None
            found.append((weight, None if entry is None else entry[2]))
    return found


def cut_of(variable: Variable, shape: tuple[int, ...], sizes: Sizes, parts: int) -> tuple[int | None, str, str]:
    """Find the axis along which devices share a weight.

    Arguments:
        variable: `Variable`. Its description.
        shape: tuple of int. The shape of the weight.
        sizes: dict. The sizes of the network.
        parts: int. The number of devices.

    Returns:
        (axis of the weight or None, what is worth a note, what is wrong).

    Example:
        >>> from b4k3.models.networks.parts import Variable
        >>> kernel = Variable("x/kernel", ("hidden_size", "query_size"))
        >>> cut_of(kernel, (16, 16), {"num_attention_heads": 2}, 2)
        (1, '', '')
        >>> cut_of(kernel, (16, 16), {"num_attention_heads": 2}, 4)
        (None, '', 'num_attention_heads=2 does not divide by 4')
    """
    axes = list(variable.axes)
    marked = [(i, CUT[axis]) for i, axis in enumerate(axes) if axis in CUT]
    if variable.split is None and not marked:
        return None, "", ""
    stored, key = variable.split or marked[-1]
    axis = len(axes) - 1 - stored if variable.transposed else stored
    if len(shape) != len(axes):
        return None, "", f"the description has {len(axes)} axes"
    pieces = shape[axis] if key == "vocab_size" else whole_pieces(key, sizes) or shape[axis]
    if pieces % parts == 0 and shape[axis] % parts == 0:
        return axis, "", ""
    wrong = f"{key}={pieces} does not divide by {parts}"
    if key != "vocab_size":
        return None, "", wrong
    if len(shape) == 1:
        return None, wrong, ""
    other = next((i for i, name in enumerate(axes) if name in INSTEAD), None)
    if other is None:
        return None, "", wrong
    instead = len(axes) - 1 - other if variable.transposed else other
    if shape[instead] % parts:
        return None, "", f"{wrong}, nor does {axes[other]}={shape[instead]}"
    return instead, wrong, ""


def whole_pieces(key: str, sizes: Sizes) -> int:
    """Return how many pieces of an axis must stay whole.

    Arguments:
        key: str. The key that says it.
        sizes: dict. The sizes of the network.

    Returns:
        int; 0 if the sizes do not say it.
    """
    if key == "num_key_value_heads":
        return sizes.get(key) or sizes.get("num_attention_heads") or 0
    return sizes.get(key) or 0


def layout_map_of(transformer: Any, mesh: Any, uneven: str = REFUSE) -> Any:
    """Make the `keras.distribution.LayoutMap` of a network. `Transformer.layout_map` calls this.

    Arguments:
        transformer: a built `Transformer`.
        mesh: keras.distribution.DeviceMesh. Its axis 'model', or its last one, cuts the weights.
        uneven: str. See `plan_of`.

    Returns:
        keras.distribution.LayoutMap.

    Raises:
        ConfigError: a size does not divide by the axis of the mesh.
        BackendError: the backend is not JAX.
    """
    axes = mesh_axes(mesh)
    axis = MODEL if MODEL in axes else list(axes)[-1]
    return layout_map(mesh, plan_of(transformer, axes[axis], uneven).layouts(axis))


__all__ = ["Plan", "Share", "layout_map_of", "plan_of"]
