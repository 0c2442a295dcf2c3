"""The classes by which a network is described: `Variable`, `Layer`, `Blocks`, `Part`, `HuggingFace` and `Network`.

A network consists of parts (the embeddings, the blocks, each head), a part consists of layers, and a layer of
variables. A variable has a canonical name: its name in the files of the project that published the network first.
Dialects translate the names in other projects' files to canonical names. In the Keras model the variable is a weight,
which is found by the name of its layer and its place in the layer. For example, this is what the description of BERT
says about the feed-forward layers in its blocks:

    inner = dense("bert/encoder/layer_{i}/intermediate/dense", "hidden_size", "intermediate_size")
    outer = dense("bert/encoder/layer_{i}/output/dense", "intermediate_size", "hidden_size")
    layer = Layer("FeedForward", inner + outer, Blocks("Transformer-{i}", i="num_hidden_layers"))

`{i}` stands for the number of a block. `dense` makes two `Variable`s, the kernel and the bias. So the layer
`Transformer-3-FeedForward` has four weights. The first one is loaded from the variable
`bert/encoder/layer_3/intermediate/dense/kernel`, whose shape is [hidden_size, intermediate_size]. Both sizes are keys
of the config file.

Some layers exist only in some configurations. `when=` names a function from the sizes to bool:

    Layer("MLM-Bias", [Variable("cls/predictions/output_bias", ("vocab_size",))], when=tied)

Layers make up parts, and a part that is not in every model has the argument that adds it:

    Part("MLM head", [..., layer], argument="with_mlm")

`Network` collects the parts, and everything else that b4k3 knows about the network apart from its computation. The
class that computes it is in `b4k3.models.architectures`.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Callable, Iterable, Sequence

from ..errors import ConfigError, short
from ..keys import ACTIVATIONS
from .parts import Bias, Blocks, Layer, Part, Sizes, Variable, dense, norm, skeleton, tied, untied

if TYPE_CHECKING:
    from typing import Collection

    from ..recognition import Evidence


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
        relatives: list of (pattern, sentence). If an unread or missing variable matches the pattern, the sentence
            names the network of the file.
        constants: list of (end of a name, function from a shape to the values). Some files contain these variables,
            which no network reads; None for values that are not checked.
        stacks: dict from the template of a variable of each block to the name of the one variable in canonical files
            that stacks them along a first axis.

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
        stacks: dict[str, str] | None = None,
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
        self.interpret = interpret or _nothing_more
        self.absent = tuple(absent)
        self.follows = follows or _nothing_more
        self.default_activation = default_activation
        self.evidence = evidence
        self.doubt = doubt
        self.unmarked = unmarked
        self.shows = shows
        self.trained_with_tanh = trained_with_tanh
        self.files = tuple(files)
        self.generates = generates
        self.may_lack_padding = may_lack_padding
        self.first_position = first_position or _row_zero
        self.relatives = tuple(relatives)
        self.constants = tuple(constants)
        self.stacks = dict(stacks or {})
        self._index: tuple[list[Part], dict[str, Any]] | None = None
        self._alike: dict[str, list[Any]] = {}

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
        """Find every variable of the network, heads included.

        Returns:
            Iterator of (part, layer, variable).
        """
        return ((part, layer, variable) for part, layer in self.layers() for variable in layer.variables)

    def layers(self) -> Iterable[tuple[Part, Layer]]:
        """Find every layer of the network, heads included.

        Returns:
            Iterator of (part, layer).
        """
        return ((part, layer) for part in self.parts for layer in part.layers)

    def mapping(self, sizes: Sizes) -> dict[str, list[str]]:
        """Say which variables each layer of a network of these sizes is loaded from, with all heads.

        Arguments:
            sizes: dict. The sizes and settings, as `derive` returns them.

        Returns:
            dict from the name of a layer to the list of the canonical names of its variables, in the order of its
            weights. `variable_mapping` of the class returns it.
        """
        return {
            name: [variable.name.format(**numbers) for variable in layer.variables_of(sizes)]
            for _, layer, name, numbers in self.instances(sizes)
        }

    def instances(self, sizes: Sizes) -> Iterable[tuple[Part, Layer, str, dict[str, int]]]:
        """Find the layers of a network of these sizes; a layer of the blocks is found once for each block.

        Arguments:
            sizes: dict. The sizes and settings, as `derive` returns them.

        Yields:
            (part, layer, name of the layer, dict of the numbers to put into the names of its variables).
        """
        for part, layer in self.layers():
            for name, numbers in layer.instances(sizes) if layer.exists(sizes) else ():
                yield part, layer, name, numbers

    def by_skeleton(self) -> dict[str, tuple[Part, Layer, Variable]]:
        """Index the variables by the skeletons of their names. The index is made at the first call.

        Returns:
            dict from the skeleton of a canonical name to (part, layer, variable).
        """
        if self._index is None or self._index[0] is not self.parts:
            found: dict[str, Any] = {}
            self._alike = {}
            for entry in self.variables():
                kind = entry[2].skeleton
                if kind in found:
                    self._alike.setdefault(kind, [found[kind]]).append(entry)
                found[kind] = entry
            self._index = (self.parts, found)
        return self._index[1]

    def find(self, canonical: str | None) -> tuple[Part, Layer, Variable] | None:
        """Find the variable that a canonical name belongs to.

        Arguments:
            canonical: str or None. The canonical name, with the number of its block.

        Returns:
            (part, layer, variable), or None if the network has no such variable.
        """
        if canonical is None:
            return None
        kind = skeleton(canonical)
        entry = self.by_skeleton().get(kind)
        # "layer_{i}/ff/layer_1" and "layer_{i}/ff/layer_2" have one skeleton.
        return next((alike for alike in self._alike.get(kind, ()) if alike[2].fits(canonical)), entry)

    # ---------------------------------------------------------------------------------------------------- sizes

    def derive(self, config: dict[str, Any]) -> Sizes:
        """Complete a configuration with the sizes that follow from others.

        Arguments:
            config: dict under our names.

        Returns:
            dict. A copy that also has `query_size`, `value_size` and `group_size`, the sizes of all heads together, of
            queries, values, and those of grouped queries' keys, and defaults for embedding_size, attention_head_size,
            attention_key_size, num_decoder_layers, tie_word_embeddings and pad_token_id.
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
        groups = sizes.get("num_key_value_heads") or heads
        sizes["group_size"] = None
        if sane and isinstance(groups, int) and isinstance(sizes["attention_head_size"], int):
            sizes["group_size"] = groups * sizes["attention_head_size"]
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


def _row_zero(sizes: Sizes) -> int:
    """Return 0: the first token has the first row of the position table."""
    return 0


def _nothing_more(values: dict[str, Any]) -> dict[str, Any]:
    """Return an empty dict: nothing follows from these values."""
    return {}


__all__ = [
    "Bias",
    "Blocks",
    "HuggingFace",
    "Layer",
    "Network",
    "Part",
    "Sizes",
    "Variable",
    "dense",
    "norm",
    "skeleton",
    "spelled_activation",
    "tied",
    "untied",
]
