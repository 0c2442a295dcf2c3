"""The pieces of a description: `Variable`, `Blocks`, `Layer` and `Part`.

`description.py` explains how they fit together.
"""

from __future__ import annotations

import functools
import re
from typing import Any, Callable, Dict, Iterable, Sequence, Union

Sizes = Dict[str, Any]  # sizes and other settings of a network, under our names of the keys
Bias = Union[bool, Callable[[Sizes], bool]]  # whether a layer has a bias
_PLACEHOLDER = re.compile(r"\{\w+(:\w+)?\}")
_NUMBER = re.compile(r"\d+|\{\w+(?::\w+)?\}")


@functools.lru_cache(maxsize=1 << 18)
def skeleton(name: str) -> str:
    """Replace each number in a name, or in a template of names, by '#'.

    Arguments:
        name: str. The name of a variable or a layer, or a template of names.

    Returns:
        str. Two names that differ only in numbers have the same skeleton.

    Example:
        >>> from b4k3.models.networks.parts import skeleton
        >>> skeleton("layer_3/x"), skeleton("layer_{i}/x")
        ('layer_#/x', 'layer_#/x')
    """
    return _NUMBER.sub("#", name)


class Variable:
    """One variable of a checkpoint, or one variable of each block.

    Arguments:
        name: str. The template of its canonical name; `{i}` stands for the number of the block.
        axes: tuple. The stored shape: each axis is a key of the configuration, an int, or None if it follows from no
            key.
        transposed: bool. Whether the weight of the layer is the transpose of the stored array.
        when: function from sizes to bool: whether the layer has the variable. None means that it always has it.
        more: dict. How many more entries an axis has than the value of its key, by key. BART's table of positions has
            max_position + 2 rows, for example.
        split: (int, str), or None. The stored axis along which several devices share the variable, and the key that
            says how many pieces must stay whole, such as the heads. None means that the axes say both.

    Example:
        >>> from b4k3.models.networks.description import Variable
        >>> kernel = Variable("bert/encoder/layer_{i}/output/dense/kernel", ("intermediate_size", "hidden_size"))
        >>> kernel.first, kernel.shape({"intermediate_size": 24, "hidden_size": 16})
        ('bert/encoder/layer_0/output/dense/kernel', (24, 16))
    """

    def __init__(
        self,
        name: str,
        axes: Sequence[Any] = (),
        transposed: bool = False,
        when: Callable[[Sizes], bool] | None = None,
        more: dict[str, int] | None = None,
        split: tuple[int, str] | None = None,
    ) -> None:
        self.name = name
        self.axes = tuple(axes)
        self.transposed = transposed
        self.when = when
        self.more = dict(more or {})
        self.split = split
        self.skeleton = skeleton(name)
        self._regex: re.Pattern[str] | None = None

    @property
    def first(self) -> str:
        """The canonical name in the first block, in which every number is 0."""
        return _PLACEHOLDER.sub(lambda match: f"{{0{match.group(1) or ''}}}".format(0), self.name)

    def fits(self, canonical: str) -> bool:
        """Ask whether this is the variable of a canonical name, for variables whose names differ in numbers alone.

        Arguments:
            canonical: str. The canonical name, with the number of its block.

        Returns:
            bool.
        """
        if self._regex is None:
            parts = _PLACEHOLDER.sub("\0", self.name).split("\0")
            self._regex = re.compile("[0-9]+".join(map(re.escape, parts)) + "$")
        return self._regex.match(canonical) is not None

    @property
    def rows_of_vocabulary(self) -> int | None:
        """The axis of the layer's weight that has one entry for each token, or None."""
        if "vocab_size" not in self.axes:
            return None
        axis = self.axes.index("vocab_size")
        return len(self.axes) - 1 - axis if self.transposed else axis

    def shape(self, sizes: Sizes) -> tuple[int, ...] | None:
        """Compute the stored shape.

        Arguments:
            sizes: dict. The sizes and settings of the network.

        Returns:
            tuple of int; None if the sizes do not determine the shape.
        """
        shape: tuple[Any, ...] = tuple(sizes.get(axis) if isinstance(axis, str) else axis for axis in self.axes)
        if not shape or None in shape:
            return None
        return tuple(size + self.more.get(axis, 0) for axis, size in zip(self.axes, shape))


def dense(scope: str, rows: Any = None, columns: Any = None, bias: Bias = True) -> list[Variable]:
    """Describe the variables of a Dense layer.

    Arguments:
        scope: str. The canonical name of the layer.
        rows: str, int or None. The first axis of the kernel.
        columns: str, int or None. The second axis of the kernel, and the axis of the bias.
        bias: bool, or function from sizes to bool. Whether the layer has a bias.

    Returns:
        list of `Variable`: the kernel [rows, columns] and the bias [columns].
    """
    return [Variable(scope + "/kernel", (rows, columns))] + _bias(scope + "/bias", columns, bias)


def norm(scope: str, size: Any = None, bias: Bias = True) -> list[Variable]:
    """Describe the variables of a layer normalisation.

    Arguments:
        scope: str. The canonical name of the layer.
        size: str, int or None. The axis of both variables.
        bias: bool, or function from sizes to bool. Whether the layer has a beta.

    Returns:
        list of `Variable`: beta [size] and gamma [size], in the order of the layer's weights.
    """
    return _bias(scope + "/beta", size, bias) + [Variable(scope + "/gamma", (size,))]


def _bias(name: str, size: Any, bias: Bias) -> list[Variable]:
    """Describe a bias that a layer always has, never has, or has in some configurations."""
    return [Variable(name, (size,), when=bias if callable(bias) else None)] if bias else []


class Blocks:
    """The repetition of layers: one copy for each block of a stack.

    Arguments:
        prefix: str. The template of the beginning of the layers' names.
        start: int. The number of the first block that has these layers.
        counts: for each number in the names, here `i`, the key of the configuration that says how many there are.

    Example:
        >>> from b4k3.models.networks.description import Blocks
        >>> Blocks("Transformer-{i}", i="num_hidden_layers").numbers({"num_hidden_layers": 2})
        [{'i': 0}, {'i': 1}]
    """

    def __init__(self, prefix: str = "Transformer-{i}", start: int = 0, **counts: str) -> None:
        self.prefix = prefix
        self.start = start
        self.counts = counts or {"i": "num_hidden_layers"}

    def numbers(self, sizes: Sizes) -> list[dict[str, int]]:
        """Count the blocks.

        Arguments:
            sizes: dict. The sizes and settings of the network.

        Returns:
            list of dict, one for each block: the numbers that `str.format` puts into the templates of its names.
        """
        (number, key) = next(iter(self.counts.items()))
        return [{number: i} for i in range(self.start, sizes.get(key) or 0)]

    def block_prefix(self, sizes: Sizes) -> str:
        """Choose the template of the beginning of the layers' names.

        Arguments:
            sizes: dict. The sizes and settings of the network, on which the names may depend.

        Returns:
            str.
        """
        return self.prefix

    def prefixes(self) -> list[str]:
        """List every template that `block_prefix` may return.

        Returns:
            list of str.
        """
        return [self.prefix]


class Layer:
    """One layer of the Keras model and the variables from which its weights are loaded.

    Arguments:
        name: str. The name of the layer; in blocks the part of the name after the prefix of the block.
        variables: list of `Variable`, in the order of the layer's weights.
        blocks: `Blocks` if there is one such layer in each block, else None.
        when: function from sizes to bool: whether the network has the layer. None means that it always has it.
        copies: dict. For each variable of an untied output, the variable that a tied output has instead. A file may
            contain both.
        advice: str or None. What to do if a checkpoint lacks the layer; error messages say it.
        needs: the keys that `when` reads. A caller who gives one of them may leave the layer out.
        spare: str or None. What reports call the variables if a file has them although `when` leaves the layer out.
            None makes this an error.

    Example:
        >>> from b4k3.models.networks.description import Blocks, Layer, dense
        >>> layer = Layer("Dense", dense("mine/layer_{i}/dense", "hidden_size", "hidden_size"), Blocks())
        >>> [name for name, numbers in layer.instances({"num_hidden_layers": 2})]
        ['Transformer-0-Dense', 'Transformer-1-Dense']
    """

    def __init__(
        self,
        name: str,
        variables: list[Variable],
        blocks: Blocks | None = None,
        when: Callable[[Sizes], bool] | None = None,
        copies: dict[str, str] | None = None,
        advice: str | None = None,
        needs: Sequence[str] = (),
        spare: str | None = None,
    ) -> None:
        self.name = name
        self.variables = variables
        self.blocks = blocks
        self.when = when
        self.copies = dict(copies or {})
        self.advice = advice
        self.needs = tuple(needs)
        self.spare = spare

    def exists(self, sizes: Sizes) -> bool:
        """Ask whether a network of these sizes has the layer.

        Arguments:
            sizes: dict. The sizes and settings of the network.

        Returns:
            bool.
        """
        return self.when is None or bool(self.when(sizes))

    def instances(self, sizes: Sizes) -> Iterable[tuple[str, dict[str, int]]]:
        """Name the layer: once for each block, or once if it is not in blocks.

        Arguments:
            sizes: dict. The sizes and settings of the network.

        Yields:
            (name of the layer, dict of the numbers to put into the names of its variables).
        """
        if self.blocks is None:
            yield self.name, {}
            return
        prefix = self.blocks.block_prefix(sizes)
        for numbers in self.blocks.numbers(sizes):
            yield prefix.format(**numbers) + "-" + self.name, numbers

    def variables_of(self, sizes: Sizes) -> list[Variable]:
        """List the variables that the layer has in a network of these sizes.

        Arguments:
            sizes: dict. The sizes and settings of the network.

        Returns:
            list of `Variable`, in the order of the layer's weights.
        """
        return [variable for variable in self.variables if variable.when is None or variable.when(sizes)]

    def templates(self) -> list[str]:
        """List the template of every name that the layer may have.

        Returns:
            list of str.
        """
        if self.blocks is None:
            return [self.name]
        return [prefix + "-" + self.name for prefix in self.blocks.prefixes()]


class Part:
    """A group of layers with a name: the embeddings, the blocks, or a head.

    Arguments:
        name: str. The name in reports: "embeddings", "blocks", "MLM head".
        layers: list of `Layer`.
        argument: str or None. The argument of `build_transformer_model` that adds the part. A part without an argument
            belongs to the body, which every model has.
        option: str or None. The name of the part for `--heads` of the command line.
        implies: other arguments that this argument sets too.
        on: bool. Whether the part is added unless the argument says otherwise.
        advice: str or None. What to do if a checkpoint lacks the part; error messages say it.
        marker: str or None. The name of a layer that a Keras model has only with this part.
        optional: bool. Whether a checkpoint may lack the part and still be of this network.

    Example:
        >>> from b4k3.models.networks.description import Layer, Part, dense
        >>> head = Part("my head", [Layer("My-Dense", dense("mine/dense", "hidden_size", 2))], argument="with_mine")
        >>> head.argument
        'with_mine'
    """

    def __init__(
        self,
        name: str,
        layers: list[Layer],
        argument: str | None = None,
        option: str | None = None,
        implies: Sequence[str] = (),
        on: bool = False,
        advice: str | None = None,
        marker: str | None = None,
        optional: bool = False,
    ) -> None:
        self.name = name
        self.layers = layers
        self.argument = argument
        self.option = option
        self.implies = tuple(implies)
        self.on = on
        self.advice = advice
        self.marker = marker
        self.optional = optional


def tied(sizes: Sizes) -> bool:
    """Ask whether the output layer shares its matrix with the token embeddings.

    Arguments:
        sizes: dict. The sizes and settings of the network.

    Returns:
        bool.
    """
    return bool(sizes.get("tie_word_embeddings", True))


def untied(sizes: Sizes) -> bool:
    """Ask whether the output layer has a matrix of its own.

    Arguments:
        sizes: dict. The sizes and settings of the network.

    Returns:
        bool.
    """
    return not sizes.get("tie_word_embeddings", True)
