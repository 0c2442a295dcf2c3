"""The dialect of the HDF5 files of bert4keras: layer and number of the weight in it, 'Transformer-0-FeedForward:2'.

bert4keras writes such files by `model.save_weights` and `model.save`. Its layers have the same names as ours, so the
rules follow from the description of the network. https://github.com/bojone/bert4keras
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Collection

from . import Dialect, Rule

if TYPE_CHECKING:
    from ..networks.description import Network

_NUMBER = re.compile(r"\{\w+\}")
_NAME = re.compile(r"^[^:]+:\d+$")


class KerasLayers(Dialect):
    """The dialect of bert4keras' HDF5 files. It has one rule for each weight of each layer of a network.

    Example:
        >>> from b4k3.models.dialects.keras_layers import KERAS_LAYERS
        >>> from b4k3.models.networks.bert import BERT
        >>> KERAS_LAYERS.for_network(BERT).canonical("Transformer-0-FeedForward:1")[0]
        'bert/encoder/layer_0/intermediate/dense/bias'
    """

    def for_network(self, network: Network) -> Dialect:
        """Make the dialect with the rules of a network.

        Arguments:
            network: `Network`.

        Returns:
            `KerasLayers`.
        """
        return of_network(network)


@functools.lru_cache(maxsize=None)
def of_network(network: Network) -> KerasLayers:
    """Make the dialect with the rules of a network, once for each network.

    Arguments:
        network: `Network`.

    Returns:
        `KerasLayers`.
    """
    rules = []
    for _, layer, variable in network.variables():
        usual = layer.variables_of({})  # a file does not say which variables are left out
        if variable not in usual:
            continue
        index = usual.index(variable)
        for template in layer.templates():
            rules.append(Rule(with_numbers_of(template, variable.name), f"{template}:{index}", variable.transposed))
    return KerasLayers("keras_layers", rules, sign)


def with_numbers_of(template: str, name: str) -> str:
    """Replace by 0 the placeholders in a variable's template that the layer's template does not have.

    Arguments:
        template: str. The template of the layer's name.
        name: str. The template of the variable's name.

    Returns:
        str. A placeholder that the layer's name lacks has only one value, which is 0.
    """
    return _NUMBER.sub(lambda match: match.group() if match.group().split(":")[0] in template else "0", name)


def sign(names: Collection[str]) -> bool:
    """Tell whether all names are a layer and a number, and one of them is the token embeddings.

    Arguments:
        names: set of str. The names of all variables in the file.

    Returns:
        bool.
    """
    return any(name.startswith("Embedding-Token:") for name in names) and all(map(_NAME.match, names))


KERAS_LAYERS = KerasLayers("keras_layers", [], sign)
