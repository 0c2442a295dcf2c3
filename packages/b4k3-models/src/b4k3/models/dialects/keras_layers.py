"""The names of bert4keras' own HDF5 files: layer and number of the weight in it, 'Transformer-0-FeedForward:2'.

Its layers are named as ours, so the rules follow from the description of the network. bert4keras writes such files by
`model.save_weights` and `model.save`.
"""

from __future__ import annotations

import functools
import re

from . import Dialect, Rule

_NUMBER = re.compile(r"\{\w+\}")
_NAME = re.compile(r"^[^:]+:\d+$")


class KerasLayers(Dialect):
    """One rule for each weight of each layer of a network; which network is said by `for_network`."""

    def for_network(self, network):
        """The dialect with the rules of a network. Arguments: network: `Network`."""
        return of_network(network)


@functools.lru_cache(maxsize=None)
def of_network(network):
    rules = []
    for _, layer, variable in network.variables():
        index = layer.variables.index(variable)
        for template in layer.templates():
            rules.append(Rule(with_numbers_of(template, variable.name), f"{template}:{index}", variable.transposed))
    return KerasLayers("keras_layers", rules, sign)


def with_numbers_of(template, name):
    """A variable's template with the numbers that a layer's template has, and 0 for others: there is only one."""
    return _NUMBER.sub(lambda match: match.group() if match.group().split(":")[0] in template else "0", name)


def sign(names):
    """Whether these are layers and numbers, and one of them is the table of tokens."""
    return any(name.startswith("Embedding-Token:") for name in names) and all(map(_NAME.match, names))


KERAS_LAYERS = KerasLayers("keras_layers", [], sign)
