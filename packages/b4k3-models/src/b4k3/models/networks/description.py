"""The words that a description of a network is made of: `Variable`, `Layer`, `Part`, `Network`."""

from __future__ import annotations

import copy
import functools
import re
from typing import Any, Callable, Dict, Iterable, Sequence

from ..errors import ConfigError, short
from ..keys import ACTIVATIONS

Sizes = Dict[str, Any]
_PLACEHOLDER = re.compile(r"\{\w+(:\w+)?\}")
_NUMBER = re.compile(r"\d+|\{\w+(?::\w+)?\}")


@functools.lru_cache(maxsize=1 << 18)
def skeleton(name: str) -> str:
    """A name, or a template of names, with '#' for each number: 'layer_3/x' and 'layer_{i}/x' are 'layer_#/x'."""
    return _NUMBER.sub("#", name)


class Variable:
    """One variable of a checkpoint.

    Arguments:
        name: template of its canonical name, '{i}' stands for a number.
        axes: its shape as the checkpoint stores it; each axis is a key of the configuration, an int, or None if
            nothing else follows from it.
        transposed: True if the layer's weight is the transpose of what is stored.
    """

    def __init__(self, name: str, axes: Sequence[Any] = (), transposed: bool = False) -> None:
        self.name = name
        self.axes = tuple(axes)
        self.transposed = transposed
        self.skeleton = skeleton(name)

    @property
    def first(self) -> str:
        """The canonical name in the first block: that of the template with 0 for every number."""
        return _PLACEHOLDER.sub(lambda match: f"{{0{match.group(1) or ''}}}".format(0), self.name)

    @property
    def rows_of_vocabulary(self) -> int | None:
        """The axis of the weight that has an entry for each token, or None."""
        if "vocab_size" not in self.axes:
            return None
        axis = self.axes.index("vocab_size")
        return len(self.axes) - 1 - axis if self.transposed else axis

    def shape(self, sizes: Sizes) -> tuple[int, ...] | None:
        """The stored shape for these sizes, or None if it does not follow from them."""
        shape = tuple(sizes.get(axis) if isinstance(axis, str) else axis for axis in self.axes)
        return shape if shape and None not in shape else None


def dense(scope: str, rows: Any = None, columns: Any = None, bias: bool = True) -> list[Variable]:
    """The variables of a Dense layer: a kernel [rows, columns] and a bias [columns]."""
    kernel = Variable(scope + "/kernel", (rows, columns))
    return [kernel, Variable(scope + "/bias", (columns,))] if bias else [kernel]


def norm(scope: str, size: Any = None) -> list[Variable]:
    """The variables of a layer normalisation, in the order of the layer's weights."""
    return [Variable(scope + "/beta", (size,)), Variable(scope + "/gamma", (size,))]


class Blocks:
    """How layers are repeated: once for each block of a stack.

    Arguments:
        prefix: template of what the names of a block's layers begin with.
        counts: number in the variables' names -> key of the configuration that counts it.
    """

    def __init__(self, prefix: str = "Transformer-{i}", **counts: str) -> None:
        self.prefix = prefix
        self.counts = counts or {"i": "num_hidden_layers"}

    def numbers(self, sizes: Sizes) -> list[dict[str, int]]:
        """The numbers of each block, for `str.format` on the templates of layers and variables."""
        (number, key) = next(iter(self.counts.items()))
        return [{number: i} for i in range(sizes.get(key) or 0)]

    def block_prefix(self, sizes: Sizes) -> str:
        """`prefix`, where it depends on the sizes."""
        return self.prefix

    def prefixes(self) -> list[str]:
        """Every template that `block_prefix` may return."""
        return [self.prefix]


class Layer:
    """One layer of the Keras model and the variables that its weights are loaded from, in their order.

    Arguments:
        name: name of the layer; in blocks what follows the block's prefix.
        variables: list of `Variable`.
        blocks: `Blocks` if there is one such layer in each block.
        when: function from sizes to whether the network has the layer; None if it always has.
        copies: variable of an untied output -> the variable that a tied one has instead. A file may hold both.
        advice: what to do if a checkpoint lacks the layer, for messages.
        needs: the keys that `when` asks about, by which a caller may leave the layer out.
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
        """(name of the layer, the numbers in its variables' names) for each block, or once."""
        if self.blocks is None:
            yield self.name, {}
            return
        prefix = self.blocks.block_prefix(sizes)
        for numbers in self.blocks.numbers(sizes):
            yield prefix.format(**numbers) + "-" + self.name, numbers

    def templates(self) -> list[str]:
        """Templates of every name that the layer may have."""
        if self.blocks is None:
            return [self.name]
        return [prefix + "-" + self.name for prefix in self.blocks.prefixes()]


class Part:
    """A group of layers that people speak of: the embeddings, the blocks, a head.

    Arguments:
        name: what reports call it: 'embeddings', 'blocks', 'MLM head'.
        layers: list of `Layer`.
        argument: the argument of `build_transformer_model` that makes the part; None for the body.
        option: what `--heads` of the command line calls it.
        implies: other arguments that this one sets.
        on: whether the part is made unless the argument says otherwise.
        advice: what to do if a checkpoint lacks it, for messages.
        marker: name of a layer that a Keras model has only with this part.
        optional: whether networks may lack it for reasons that are not known here.
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
    """How transformers of Hugging Face knows a network.

    Arguments:
        types: model_type -> what the names of its classes begin with; the first one is written by default.
        classes: [(end of a class's name, the parts that it needs beside the body)], the fullest first.
        keys: our name of a key -> theirs, where it is another one than BERT's; None writes BERT's keys.
        own: keys that only this network has.
        defaults: what their code assumes where a config file does not say it.
        complete: function (config under their keys, config under ours) that adds what their classes need.
        tokenizer: the class of the tokenizer of a vocab.txt; None if `AutoTokenizer` knows it by the model_type.
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
    """A network: what `model=` names, or the description itself.

    Arguments:
        name: the name for `model=`.
        target: 'module:Class' of its class, or the class.
        what: what a file of it is called in messages: 'a BERT checkpoint'.
        parts: list of `Part`; those without an argument are the body.
        keys: keys of a configuration that only this network reads.
        spellings: our name of a key -> the names that its publishers give it.
        ignored: keys of its published configurations that change no number.
        fixed: key -> the values that mean this network; another value is refused.
        model_types: what `model_type` in a config file may say.
        huggingface: `HuggingFace`, None if transformers does not have the network.
        kin: names that dialects know it by, its own if empty.
        beside: networks, by name, parts of which may lie in the same file.
        marks: key -> template of a variable; the key is true if the file has the variable.
        settings: argument of the class -> the value that makes the class this network.
        activation: function (key, value) from an activation in a config file to our name of it.
        activation_keys: the keys of a config file that name the activation, the first one that is there counts.
        interprets: keys of a config file that mean something only together.
        interpret: function from a config to {our name: (value, the key that says so)} of those keys.
        absent: keys whose value is 0 if the checkpoint has no variable with such an axis.
        follows: function from values under our names to those that follow from them, where a file does not say them.
        default_activation: what a config that names no activation means; None if it must name one.
        evidence: function (`Evidence`) to a number: how much else than names speaks for this network, 0 for nothing.
        doubt: function (`Evidence`) to a sentence if a file that fits seems to be another network, else None.
        unmarked: the network that this name means for files that show no sign of this one.
        shows: function from a config file to whether it shows that sign.
        trained_with_tanh: whether the code that trained it means the tanh form by 'gelu'.
        files: words in the names of its config files, where another network's lie in the same folder.
        generates: whether it predicts the next token.
        may_lack_padding: whether a `pad_token_id` of null means that no id is padding, as in a decoder's vocabulary.
        first_position: function from sizes to the row of the position table that the first token has.
        relatives: [(pattern, what a file with an unread variable of such a name is)], of networks that are not here.
        constants: [(end of a name, function from a shape to the values)]: what some files store and nobody reads;
            None for values that are not looked at.

    Example:
        >>> from b4k3.models import BERT, build_transformer_model
        >>> class MyBERT(BERT):
        ...     pass  # overrides what it computes differently
        >>> mine = BERT.network.but("my_bert", MyBERT, what="a checkpoint of my BERT")
        >>> model = build_transformer_model("bert_config.json", "bert_model.ckpt", model=mine)
    """

    def __init__(
        self,
        name: str,
        target: Any,
        what: str,
        parts: list[Part],
        keys: Sequence[str] = (),
        spellings: dict[str, tuple[str, ...]] | None = None,
        ignored: Sequence[str] = (),
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
        evidence: Callable[[Any], float] | None = None,
        doubt: Callable[[Any], str | None] | None = None,
        unmarked: str | None = None,
        shows: Callable[[dict[str, Any]], bool] | None = None,
        trained_with_tanh: bool = False,
        files: Sequence[str] = (),
        generates: bool = False,
        may_lack_padding: bool = False,
        first_position: Callable[[Sizes], int] | None = None,
        relatives: Sequence[tuple[str, str]] = (),
        constants: Sequence[tuple[str, Callable[[tuple[int, ...]], Any]]] = (),
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
        """A network that differs in what is given. Its kin are this one's unless given."""
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
        return [part for part in self.parts if part.argument is None]

    @property
    def heads(self) -> list[Part]:
        return [part for part in self.parts if part.argument is not None]

    def variables(self) -> Iterable[tuple[Part, Layer, Variable]]:
        """Every variable with its layer and its part."""
        return ((part, layer, variable) for part, layer in self.layers() for variable in layer.variables)

    def layers(self) -> Iterable[tuple[Part, Layer]]:
        """Every layer with its part."""
        return ((part, layer) for part in self.parts for layer in part.layers)

    def mapping(self, sizes: Sizes) -> dict[str, list[str]]:
        """{layer name: canonical names of its variables}, heads included, for `variable_mapping`."""
        return {
            name: [variable.name.format(**numbers) for variable in layer.variables]
            for _, layer, name, numbers in self.instances(sizes)
        }

    def instances(self, sizes: Sizes) -> Iterable[tuple[Part, Layer, str, dict[str, int]]]:
        """(part, layer, the layer's name, the numbers in its variables' names) of each layer of these sizes."""
        for part, layer in self.layers():
            for name, numbers in layer.instances(sizes) if layer.exists(sizes) else ():
                yield part, layer, name, numbers

    def by_skeleton(self) -> dict[str, tuple[Part, Layer, Variable]]:
        """{skeleton of a canonical name: (part, layer, variable)}, made when it is first asked for."""
        if self._index is None or self._index[0] is not self.parts:
            found = {variable.skeleton: (part, layer, variable) for part, layer, variable in self.variables()}
            self._index = (self.parts, found)
        return self._index[1]

    def find(self, canonical: str | None) -> tuple[Part, Layer, Variable] | None:
        """The part, layer and variable of a canonical name; None if it is not of this network."""
        return None if canonical is None else self.by_skeleton().get(skeleton(canonical))

    # ---------------------------------------------------------------------------------------------------- sizes

    def derive(self, config: dict[str, Any]) -> Sizes:
        """A configuration with the sizes that follow from others."""
        sizes = dict(config)
        hidden, heads = sizes.get("hidden_size"), sizes.get("num_attention_heads")
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
    """Our name, or list of names, for an activation as a config file spells it.

    Arguments:
        key: the key of the file.
        value: what it says.

    Raises:
        ConfigError: an activation that b4k3 does not know, or something that is no name.
    """
    if isinstance(value, (list, tuple)) and value and all(isinstance(name, str) for name in value):
        return [spelled_activation(key, name) for name in value]
    if not isinstance(value, str) or value not in ACTIVATIONS:
        known = ", ".join(sorted(ACTIVATIONS))
        raise ConfigError(f"{key}={short(value)} is no activation that b4k3 knows: {known}")
    return ACTIVATIONS[value]


def row_zero(sizes: Sizes) -> int:
    """Positions begin at the first row of their table."""
    return 0


def nothing_more(values: dict[str, Any]) -> dict[str, Any]:
    """Nothing follows from these values."""
    return {}


def tied(sizes: Sizes) -> bool:
    """Whether the output is the product with the token embeddings."""
    return bool(sizes.get("tie_word_embeddings", True))


def untied(sizes: Sizes) -> bool:
    """Whether the output has a matrix of its own instead of the token embeddings."""
    return not sizes.get("tie_word_embeddings", True)


__all__ = ["Blocks", "HuggingFace", "Layer", "Network", "Part", "Variable", "dense", "norm"]
