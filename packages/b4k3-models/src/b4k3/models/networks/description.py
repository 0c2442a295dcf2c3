"""The classes by which a network is described: `Variable`, `Layer`, `Blocks`, `Part`, `HuggingFace` and `Network`.

A network consists of parts (the embeddings, the blocks, each head), a part consists of layers, and a layer of
variables. The names are templates: `{i}` stands for the number of a block. For example, BERT has the variables
`bert/encoder/layer_0/output/dense/bias`, `bert/encoder/layer_1/output/dense/bias`, …, one for each block. The
description has one `Variable` for all of them:

    bias = Variable("bert/encoder/layer_{i}/output/dense/bias", ("hidden_size",))
    Layer("FeedForward", [..., bias], Blocks("Transformer-{i}", i="num_hidden_layers"))
"""

from __future__ import annotations

import copy
import functools
import re
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, Sequence

from ..errors import ConfigError, short
from ..keys import ACTIVATIONS

if TYPE_CHECKING:
    from typing import Collection

    from ..recognition import Evidence

Sizes = Dict[str, Any]  # sizes and other settings of a network, under our names of the keys
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
        >>> from b4k3.models.networks.description import skeleton
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

    Example:
        >>> from b4k3.models.networks.description import Variable
        >>> kernel = Variable("bert/encoder/layer_{i}/output/dense/kernel", ("intermediate_size", "hidden_size"))
        >>> kernel.first, kernel.shape({"intermediate_size": 24, "hidden_size": 16})
        ('bert/encoder/layer_0/output/dense/kernel', (24, 16))
    """

    def __init__(self, name: str, axes: Sequence[Any] = (), transposed: bool = False) -> None:
        self.name = name
        self.axes = tuple(axes)
        self.transposed = transposed
        self.skeleton = skeleton(name)

    @property
    def first(self) -> str:
        """The canonical name in the first block, in which every number is 0."""
        return _PLACEHOLDER.sub(lambda match: f"{{0{match.group(1) or ''}}}".format(0), self.name)

    @property
    def rows_of_vocabulary(self) -> int | None:
        """The axis of the layer's weight that has one entry for each token, or None."""
        if "vocab_size" not in self.axes:
            return None
        axis = self.axes.index("vocab_size")
        return len(self.axes) - 1 - axis if self.transposed else axis

    def shape(self, sizes: Sizes) -> tuple[int, ...] | None:
        """The stored shape for these sizes; None if the sizes do not determine it."""
        shape: tuple[Any, ...] = tuple(sizes.get(axis) if isinstance(axis, str) else axis for axis in self.axes)
        return shape if shape and None not in shape else None


def dense(scope: str, rows: Any = None, columns: Any = None, bias: bool = True) -> list[Variable]:
    """Describe the variables of a Dense layer.

    Arguments:
        scope: str. The canonical name of the layer.
        rows: str, int or None. The first axis of the kernel.
        columns: str, int or None. The second axis of the kernel, and the axis of the bias.
        bias: bool. Whether the layer has a bias.

    Returns:
        list of `Variable`: the kernel [rows, columns] and the bias [columns].
    """
    kernel = Variable(scope + "/kernel", (rows, columns))
    return [kernel, Variable(scope + "/bias", (columns,))] if bias else [kernel]


def norm(scope: str, size: Any = None) -> list[Variable]:
    """Describe the variables of a layer normalisation.

    Arguments:
        scope: str. The canonical name of the layer.
        size: str, int or None. The axis of both variables.

    Returns:
        list of `Variable`: beta [size] and gamma [size], in the order of the layer's weights.
    """
    return [Variable(scope + "/beta", (size,)), Variable(scope + "/gamma", (size,))]


class Blocks:
    """The repetition of layers: one copy for each block of a stack.

    Arguments:
        prefix: str. The template of the beginning of the layers' names.
        counts: for each number in the names, here `i`, the key of the configuration that says how many there are.

    Example:
        >>> from b4k3.models.networks.description import Blocks
        >>> Blocks("Transformer-{i}", i="num_hidden_layers").numbers({"num_hidden_layers": 2})
        [{'i': 0}, {'i': 1}]
    """

    def __init__(self, prefix: str = "Transformer-{i}", **counts: str) -> None:
        self.prefix = prefix
        self.counts = counts or {"i": "num_hidden_layers"}

    def numbers(self, sizes: Sizes) -> list[dict[str, int]]:
        """The numbers of each block, which `str.format` puts into the templates of layers and variables."""
        (number, key) = next(iter(self.counts.items()))
        return [{number: i} for i in range(sizes.get(key) or 0)]

    def block_prefix(self, sizes: Sizes) -> str:
        """The template of the beginning of the layers' names, for these sizes."""
        return self.prefix

    def prefixes(self) -> list[str]:
        """Every template that `block_prefix` may return."""
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
    ) -> None:
        self.name = name
        self.variables = variables
        self.blocks = blocks
        self.when = when
        self.copies = dict(copies or {})
        self.advice = advice
        self.needs = tuple(needs)

    def exists(self, sizes: Sizes) -> bool:
        """Whether a network of these sizes has the layer."""
        return self.when is None or bool(self.when(sizes))

    def instances(self, sizes: Sizes) -> Iterable[tuple[str, dict[str, int]]]:
        """Yield (the layer's name, the numbers in its variables' names) for each block, or once outside of blocks."""
        if self.blocks is None:
            yield self.name, {}
            return
        prefix = self.blocks.block_prefix(sizes)
        for numbers in self.blocks.numbers(sizes):
            yield prefix.format(**numbers) + "-" + self.name, numbers

    def templates(self) -> list[str]:
        """The template of every name that the layer may have."""
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


class HuggingFace:
    """The names that Hugging Face transformers has for a network, its classes and the keys of its configs.

    Arguments:
        types: dict from a model_type to the beginning of the names of its classes. The first one is written by default.
        classes: list of (end of a class name, the parts that the class needs beside the body). The class with the most
            parts comes first.
        keys: dict from our name of a key to the name in transformers. None takes the names that BERT has there.
        own: the keys that only this network has.
        defaults: dict. The values that the code of transformers takes for keys that a config file lacks.
        complete: function of (config under the keys of transformers, config under our keys). It adds to the first one
            what the classes of transformers need besides.
        tokenizer: str or None. The class of the tokenizer of a vocab.txt; None if `AutoTokenizer` finds it by the
            model_type.

    Example:
        >>> from b4k3.models.networks.description import HuggingFace
        >>> HuggingFace({"bert": "Bert"}, [("ForMaskedLM", ("MLM head",)), ("Model", ())]).types
        {'bert': 'Bert'}
    """

    def __init__(
        self,
        types: dict[str, str],
        classes: Sequence[tuple[str, tuple[str, ...]]],
        keys: dict[str, str] | None = None,
        own: Sequence[str] = (),
        defaults: dict[str, Any] | None = None,
        complete: Callable[[dict[str, Any], dict[str, Any]], None] | None = None,
        tokenizer: str | None = "BertTokenizer",
    ) -> None:
        self.types = types
        self.classes = tuple(classes)
        self.keys = keys
        self.own = tuple(own)
        self.defaults = defaults or {}
        self.complete = complete
        self.tokenizer = tokenizer


class Network:
    """The description of a network: `model=` takes its name, or the description itself.

    Recognition, loading, `inspect`, `convert` and `verify` are derived from it.

    Arguments:
        name: str. The name for `model=`.
        target: str or class. "module:Class" of the class that computes the network, or the class.
        what: str. What messages call a file of the network: "a BERT checkpoint".
        parts: list of `Part`. The parts without an argument are the body.
        keys: the keys of a configuration that only this network reads.
        spellings: dict from our name of a key to the names that the network's publishers give it.
        ignored: the keys of its published configurations that change no number.
        fixed: dict from a key to the values that mean this network; other values are refused.
        model_types: the values of `model_type` in a config file that mean this network.
        huggingface: `HuggingFace`; None if transformers does not have the network.
        kin: the names by which dialects know the network; its own name if there are none.
        beside: the names of networks that may have parts in the same file.
        marks: dict from a key to the template of a variable. The key is true if the file has the variable.
        settings: dict from an argument of the class to the value that makes the class this network.
        activation: function of (key, value) that translates an activation of a config file to our name.
        activation_keys: the keys of a config file that name the activation. The first one that the file has counts.
        interprets: the keys of a config file that have a meaning only together.
        interpret: function from a config file to the meaning of these keys: a dict from our name to (value, the key
            that says so).
        absent: the keys whose value is 0 if the checkpoint has no variable with such an axis.
        follows: function from a config under our names to the values that follow where the file does not have them.
        default_activation: str, list or None. The activation of a config that names none; None if it must name one.
        evidence: function from `Evidence` to a number: how much speaks for this network apart from the names of the
            variables. 0 is nothing.
        doubt: function from `Evidence` to a sentence if a file that fits seems to be of another network, else to None.
        unmarked: str or None. The network that this name means for a file that shows no sign of this network.
        shows: function from a config file to bool: whether it shows that sign.
        trained_with_tanh: bool. Whether the code that trained the network means the tanh form by "gelu".
        files: words in the names of its config files, if the config of another network may be in the same folder.
        generates: bool. Whether the network predicts the next token.
        may_lack_padding: bool. Whether a `pad_token_id` of null means that no id is padding, as in decoders.
        first_position: function from sizes to the row of the position table that the first token has.
        relatives: list of (pattern, sentence). If an unread variable matches the pattern, the sentence says which
            network, not supported here, the file is of.
        constants: list of (end of a name, function from a shape to the values). Some files contain these variables,
            which no network reads; None for values that are not checked.

    Example:
        >>> from b4k3.models import BERT, build_transformer_model
        >>> class MyBERT(BERT):
        ...     pass  # a real one overrides the methods that compute something else
        >>> mine = BERT.network.but("my_bert", MyBERT, what="a checkpoint of my BERT")
        >>> config = {"vocab_size": 20, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        ...           "intermediate_size": 24, "hidden_act": "gelu"}
        >>> model = build_transformer_model(config, model=mine)
        >>> model.output_shape
        (None, None, 16)
    """

    def __init__(
        self,
        name: str,
        target: Any,
        what: str,
        parts: list[Part],
        keys: Sequence[str] = (),
        spellings: dict[str, tuple[str, ...]] | None = None,
        ignored: Collection[str] = (),
        fixed: dict[str, tuple[Any, ...]] | None = None,
        model_types: Sequence[str] = (),
        huggingface: HuggingFace | None = None,
        kin: Sequence[str] = (),
        beside: Sequence[str] = (),
        marks: dict[str, str] | None = None,
        settings: dict[str, Any] | None = None,
        activation: Callable[[str, Any], Any] | None = None,
        activation_keys: Sequence[str] = ("hidden_act",),
        interprets: Sequence[str] = (),
        interpret: Callable[[dict[str, Any]], dict[str, tuple[Any, str]]] | None = None,
        follows: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
        absent: Sequence[str] = (),
        default_activation: Any = None,
        evidence: Callable[[Evidence], float] | None = None,
        doubt: Callable[[Evidence], str | None] | None = None,
        unmarked: str | None = None,
        shows: Callable[[dict[str, Any]], bool] | None = None,
        trained_with_tanh: bool = False,
        files: Sequence[str] = (),
        generates: bool = False,
        may_lack_padding: bool = False,
        first_position: Callable[[Sizes], int] | None = None,
        relatives: Sequence[tuple[str, str]] = (),
        constants: Sequence[tuple[str, Callable[[tuple[int, ...]], Any] | None]] = (),
    ) -> None:
        self.name = name
        self.target = target
        self.what = what
        self.parts = parts
        self.keys = tuple(keys)
        self.spellings = dict(spellings or {})
        self.ignored = frozenset(ignored)
        self.fixed = dict(fixed or {})
        self.model_types = tuple(dict.fromkeys((name,) + tuple(model_types)))
        self.huggingface = huggingface
        self.kin = tuple(kin) or (name,)
        self.beside = tuple(beside)
        self.marks = dict(marks or {})
        self.settings = dict(settings or {})
        self.activation = activation or spelled_activation
        self.activation_keys = tuple(activation_keys)
        self.interprets = tuple(interprets)
        self.interpret = interpret or nothing_more
        self.absent = tuple(absent)
        self.follows = follows or nothing_more
        self.default_activation = default_activation
        self.evidence = evidence
        self.doubt = doubt
        self.unmarked = unmarked
        self.shows = shows
        self.trained_with_tanh = trained_with_tanh
        self.files = tuple(files)
        self.generates = generates
        self.may_lack_padding = may_lack_padding
        self.first_position = first_position or row_zero
        self.relatives = tuple(relatives)
        self.constants = tuple(constants)
        self._index: tuple[list[Part], dict[str, Any]] | None = None

    def but(self, name: str, target: Any, **changes: Any) -> Network:
        """Make the description of a network that differs from this one.

        Arguments:
            name: str. The name of the new network.
            target: str or class. "module:Class" of the class that computes it, or the class.
            changes: arguments of `Network` that differ. The others, `kin` too, stay as they are here.

        Returns:
            `Network`.

        Raises:
            TypeError: a change has a name that `Network` does not have.
        """
        twin = copy.copy(self)
        twin.name, twin.target = name, target
        twin.model_types = (name,)
        for key, value in changes.items():
            if not hasattr(twin, key):
                raise TypeError(f"a Network has no {key!r}")
            setattr(twin, key, value)
        twin.model_types = tuple(dict.fromkeys((name,) + tuple(twin.model_types)))
        return twin

    def __repr__(self) -> str:
        return f"<Network {self.name}>"

    # ------------------------------------------------------------------------------------------------ variables

    @property
    def body(self) -> list[Part]:
        """The parts that every model of the network has."""
        return [part for part in self.parts if part.argument is None]

    @property
    def heads(self) -> list[Part]:
        """The parts that an argument adds."""
        return [part for part in self.parts if part.argument is not None]

    def variables(self) -> Iterable[tuple[Part, Layer, Variable]]:
        """Yield every variable with its part and its layer."""
        return ((part, layer, variable) for part, layer in self.layers() for variable in layer.variables)

    def layers(self) -> Iterable[tuple[Part, Layer]]:
        """Yield every layer with its part."""
        return ((part, layer) for part in self.parts for layer in part.layers)

    def mapping(self, sizes: Sizes) -> dict[str, list[str]]:
        """The result of `variable_mapping`: layer name -> canonical names of its variables, with all heads."""
        return {
            name: [variable.name.format(**numbers) for variable in layer.variables]
            for _, layer, name, numbers in self.instances(sizes)
        }

    def instances(self, sizes: Sizes) -> Iterable[tuple[Part, Layer, str, dict[str, int]]]:
        """Yield (part, layer, the layer's name, the numbers in its variables' names) for each layer."""
        for part, layer in self.layers():
            for name, numbers in layer.instances(sizes) if layer.exists(sizes) else ():
                yield part, layer, name, numbers

    def by_skeleton(self) -> dict[str, tuple[Part, Layer, Variable]]:
        """The dict from the skeleton of a canonical name to (part, layer, variable), made at the first call."""
        if self._index is None or self._index[0] is not self.parts:
            found = {variable.skeleton: (part, layer, variable) for part, layer, variable in self.variables()}
            self._index = (self.parts, found)
        return self._index[1]

    def find(self, canonical: str | None) -> tuple[Part, Layer, Variable] | None:
        """The part, layer and variable of a canonical name; None if the network has no such variable."""
        return None if canonical is None else self.by_skeleton().get(skeleton(canonical))

    # ---------------------------------------------------------------------------------------------------- sizes

    def derive(self, config: dict[str, Any]) -> Sizes:
        """Complete a configuration with the sizes that follow from others.

        Arguments:
            config: dict under our names.

        Returns:
            dict. A copy that also has `query_size` and `value_size`, the sizes of all heads together, and defaults for
            embedding_size, attention_head_size, attention_key_size, num_decoder_layers, tie_word_embeddings and
            pad_token_id.
        """
        sizes = dict(config)
        hidden: Any = sizes.get("hidden_size")
        heads: Any = sizes.get("num_attention_heads")
        if sizes.get("embedding_size") is None:
            sizes["embedding_size"] = hidden
        sane = all(isinstance(size, int) and not isinstance(size, bool) and size > 0 for size in (hidden, heads))
        if sizes.get("attention_head_size") is None and sane:
            sizes["attention_head_size"] = hidden // heads
        if sizes.get("attention_key_size") is None:
            sizes["attention_key_size"] = sizes.get("attention_head_size")
        if sizes.get("num_decoder_layers") is None:
            sizes["num_decoder_layers"] = sizes.get("num_hidden_layers")
        for key, head in (("query_size", "attention_key_size"), ("value_size", "attention_head_size")):
            sizes[key] = heads * sizes[head] if sane and isinstance(sizes.get(head), int) else None
        sizes.setdefault("tie_word_embeddings", self.settings.get("tie_word_embeddings", True))
        if sizes["tie_word_embeddings"] is None:
            sizes["tie_word_embeddings"] = self.settings.get("tie_word_embeddings", True)
        if sizes.get("pad_token_id") is None:
            sizes["pad_token_id"] = self.settings.get("pad_token_id", 0)
        return sizes


def spelled_activation(key: str, value: Any) -> Any:
    """Translate an activation of a config file to our name.

    Arguments:
        key: str. The key of the file.
        value: str or list of str. The value of the key.

    Returns:
        Our name, or the list of our names.

    Raises:
        ConfigError: b4k3 does not know the activation, or the value is no name.
    """
    if isinstance(value, (list, tuple)) and value and all(isinstance(name, str) for name in value):
        return [spelled_activation(key, name) for name in value]
    if not isinstance(value, str) or value not in ACTIVATIONS:
        known = ", ".join(sorted(ACTIVATIONS))
        raise ConfigError(f"{key}={short(value)} is no activation that b4k3 knows: {known}")
    return ACTIVATIONS[value]


def row_zero(sizes: Sizes) -> int:
    """Return 0: the first token has the first row of the position table."""
    return 0


def nothing_more(values: dict[str, Any]) -> dict[str, Any]:
    """Return an empty dict: nothing follows from these values."""
    return {}


def tied(sizes: Sizes) -> bool:
    """Whether the output layer shares its matrix with the token embeddings."""
    return bool(sizes.get("tie_word_embeddings", True))


def untied(sizes: Sizes) -> bool:
    """Whether the output layer has a matrix of its own."""
    return not sizes.get("tie_word_embeddings", True)


__all__ = ["Blocks", "HuggingFace", "Layer", "Network", "Part", "Variable", "dense", "norm"]
