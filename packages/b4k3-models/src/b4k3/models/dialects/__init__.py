"""A dialect is the way in which one project names the variables of an architecture, written as rules.

An architecture uses canonical names: the names of the project that published it first, for BERT Google's. A `Dialect`
translates them into the names of another project and back. For example, the rule

    Rule("bert/encoder/layer_{i}/output/dense/kernel", "bert.encoder.layer.{i}.output.dense.weight", transposed=True)

says that Hugging Face transformers stores Google's variable `bert/encoder/layer_3/output/dense/kernel` transposed,
under the name `bert.encoder.layer.3.output.dense.weight`. A new dialect is one file here and one line in
`registry.DIALECTS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Collection, Iterable, Mapping, Sequence

from .joining import joined as joined, places as places, stacked as stacked
from .templates import Template as Template

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..checkpoints import Checkpoint
    from ..networks.description import Network


class Rule:
    """The correspondence of a canonical name and a name in a file.

    Arguments:
        canonical: str. The template of the canonical name, with `{i}` for a number.
        stored: str. The template of the name in the file.
        transposed: bool. Whether the file has the transposed matrix, as torch's Linear does.
        part: (k, n) or None. If the file has n variables of equal size joined along their last axis, this variable is
            part number k. If it is transposed too, the joined array is.
        also: bool. Whether the variable is written under this name in addition to the name of an earlier rule.
        row: bool. Whether the file has the vector as a matrix of one row.

    Example:
        >>> from b4k3.models.dialects import Rule
        >>> Rule("bert/pooler/dense/kernel", "bert.pooler.dense.weight", True).to_stored("bert/pooler/dense/kernel")
        'bert.pooler.dense.weight'
    """

    def __init__(
        self,
        canonical: str,
        stored: str,
        transposed: bool = False,
        part: tuple[int, int] | None = None,
        also: bool = False,
        row: bool = False,
    ) -> None:
        self._canonical = Template(canonical)
        self._stored = Template(stored)
        self.transposed = transposed
        self.part = part
        self.also = also
        self.row = row

    def to_stored(self, name: str) -> str | None:
        """Translate a canonical name to the name in the file.

        Arguments:
            name: str. The canonical name.

        Returns:
            str; None if the rule does not fit the name.
        """
        return _translate(name, self._canonical, self._stored)

    def to_canonical(self, name: str) -> str | None:
        """Translate a name in the file to the canonical name.

        Arguments:
            name: str. The name in the file.

        Returns:
            str; None if the rule does not fit the name.
        """
        return _translate(name, self._stored, self._canonical)


def _translate(name: str, source: Template, target: Template) -> str | None:
    """Rewrite a name from one template to another; return None if it does not fit the first."""
    numbers = source.match(name)
    return None if numbers is None else target.fill(numbers)


def linear(canonical: str, stored: str) -> list[Rule]:
    """Make the rules of a Dense layer. Its kernel [in, out] is torch's weight [out, in].

    Arguments:
        canonical: str. The canonical name of the layer.
        stored: str. The name of the layer in torch.

    Returns:
        list of `Rule`: the kernel and the bias.
    """
    return [Rule(canonical + "/kernel", stored + ".weight", True), Rule(canonical + "/bias", stored + ".bias")]


def norm(canonical: str, stored: str) -> list[Rule]:
    """Make the rules of a layer normalisation. Files from before 2019 have the names gamma and beta.

    Arguments:
        canonical: str. The canonical name of the layer.
        stored: str. The name of the layer in torch.

    Returns:
        list of `Rule`: gamma and beta, under both names.
    """
    return [
        Rule(canonical + "/gamma", stored + ".weight"),
        Rule(canonical + "/beta", stored + ".bias"),
        Rule(canonical + "/gamma", stored + ".gamma"),
        Rule(canonical + "/beta", stored + ".beta"),
    ]


class Dialect:
    """The rules by which one project names its variables.

    Arguments:
        name: str. The name, by which `dialect=` can choose it.
        rules: list of `Rule`, or None if the names are canonical. If several rules fit a canonical name, the first
            one whose name the file has is read, and the first one is written.
        sign: function from the set of the names in a file to bool. It tells whether the file is in this dialect.
        prefixes: list of str. The beginnings that the names of a network's body have in files of different origin, ""
            if there may be none. The rules have the first one, and it is written.
        family: str or None. The name that several dialects of one project share; the network decides which of them is
            used. None takes the name of the dialect.
        models: list of str. The networks, by their names for `model=`, that this dialect of its family is for.

    Example:
        >>> from b4k3.models.dialects import Dialect, Rule
        >>> mine = Dialect("mine", [Rule("bert/embeddings/word_embeddings", "words")], lambda names: "words" in names)
        >>> mine.candidates("bert/embeddings/word_embeddings")
        [('words', False)]
    """

    def __init__(
        self,
        name: str,
        rules: Sequence[Rule] | None,
        sign: Callable[[Collection[str]], bool],
        prefixes: Iterable[str] = (),
        family: str | None = None,
        models: Iterable[str] = (),
    ) -> None:
        self.name = name
        self.rules = rules
        self.sign = sign
        self.prefixes = tuple(prefixes)
        self.family = family or name
        self.models = tuple(models)
        self._of_parts = [rule for rule in rules or () if rule.part is not None]
        self._of_rows = [rule for rule in rules or () if rule.row]

    def recognises(self, names: Collection[str]) -> bool:
        """Tell whether a file is in this dialect.

        Arguments:
            names: set of str. The names of all variables in the file.

        Returns:
            bool.
        """
        return self.sign(names)

    def candidates(self, canonical: str) -> list[tuple[str, bool]]:
        """List the names under which a variable may be stored.

        Arguments:
            canonical: str. The canonical name.

        Returns:
            list of (name in the file, whether the array is transposed). The first one is written.
        """
        if self.rules is None:
            return [(canonical, False)]
        found: list[tuple[str, bool]] = []
        for rule in self.rules:
            stored = rule.to_stored(canonical)
            if stored is not None:
                found += [(name, rule.transposed) for name in self._spellings(stored)]
        return found

    def copies(self, canonical: str) -> list[tuple[str, bool]]:
        """List the names under which a variable is written in addition to the first one of `candidates`.

        Arguments:
            canonical: str. The canonical name.

        Returns:
            list of (name in the file, whether the array is transposed).
        """
        found = [(rule.to_stored(canonical), rule.transposed) for rule in self.rules or () if rule.also]
        return [(name, transposed) for name, transposed in found if name is not None]

    def _spellings(self, stored: str) -> list[str]:
        """List a name in the file with each of the prefixes."""
        if not self.prefixes or not stored.startswith(self.prefixes[0]):
            return [stored]
        return [prefix + stored[len(self.prefixes[0]) :] for prefix in self.prefixes]

    def canonical(self, stored: str) -> tuple[str, bool] | None:
        """Find the canonical name of a variable in a file.

        Arguments:
            stored: str. The name in the file.

        Returns:
            (canonical name, whether the file has the transposed array); None if no rule fits. If several rules fit,
            the first one counts.
        """
        if self.rules is None:
            return stored, False
        names = [stored]
        for prefix in self.prefixes[1:]:
            if stored.startswith(prefix):
                names.append(self.prefixes[0] + stored[len(prefix) :])
        for name in names:
            for rule in self.rules:
                canonical = rule.to_canonical(name)
                if canonical is not None:
                    return canonical, rule.transposed
        return None

    def canonicals(self, stored: str) -> list[str]:
        """Find the canonical names of all variables that a variable in a file contains.

        Arguments:
            stored: str. The name in the file.

        Returns:
            list of str: several names if the file has joined variables, none if no rule fits.
        """
        known = self.canonical(stored)
        if known is None:
            return []
        name, _ = self.candidates(known[0])[0]
        parts = [rule.to_canonical(name) for rule in self._of_parts]
        return [canonical for canonical in parts if canonical is not None] or [known[0]]

    def canonicals_in(self, checkpoint: Checkpoint, stored: str) -> list[str]:
        """Do what `canonicals` does, for a dialect in which the file itself says how many variables there are.

        Arguments:
            checkpoint: what `open_checkpoint` returned.
            stored: str. The name in the file.

        Returns:
            list of str.
        """
        return self.canonicals(stored)

    def part(self, canonical: str) -> tuple[int, int | None] | None:
        """Find out which part of a joined variable in the file a variable is.

        Arguments:
            canonical: str. The canonical name.

        Returns:
            (k, n) if the variable is part k, counted from 0, of n variables that the file has joined along their last
            axis; (k, None) if it is row k of any number of variables that the file has stacked; otherwise None.
        """
        parts = [rule.part for rule in self._of_parts if rule.to_stored(canonical) is not None]
        return parts[0] if parts else None

    def is_row(self, canonical: str) -> bool:
        """Find out whether the file has a vector as a matrix of one row.

        Arguments:
            canonical: str. The canonical name.

        Returns:
            bool.
        """
        return any(rule.to_stored(canonical) is not None for rule in self._of_rows)

    def find(self, checkpoint: Checkpoint, canonical: str) -> tuple[str, bool] | None:
        """Find a variable in a file.

        Arguments:
            checkpoint: what `open_checkpoint` returned.
            canonical: str. The canonical name.

        Returns:
            (name in the file, whether the array is transposed); None if the file does not have the variable.
        """
        for stored, transposed in self.candidates(canonical):
            if stored in checkpoint:
                return stored, transposed
        return None

    def _found(self, checkpoint: Checkpoint, canonical: str) -> tuple[str, bool]:
        """Find a variable that the file has."""
        found = self.find(checkpoint, canonical)
        assert found is not None, canonical
        return found

    def shape(self, checkpoint: Checkpoint, canonical: str) -> tuple[int, ...]:
        """Tell the shape of a variable without reading it.

        Arguments:
            checkpoint: what `open_checkpoint` returned.
            canonical: str. The canonical name of a variable that the file has.

        Returns:
            tuple of int. The canonical shape.
        """
        stored, transposed = self._found(checkpoint, canonical)
        shape = tuple(checkpoint.shape(stored))
        shape = shape[::-1] if transposed else shape
        part = self.part(canonical)
        if part is not None and part[1] is not None:
            shape = shape[:-1] + (shape[-1] // part[1],)
        if self.is_row(canonical) and len(shape) == 2 and shape[0] == 1:
            shape = shape[1:]
        return shape

    def read(self, checkpoint: Checkpoint, canonical: str) -> tuple[NDArray[Any], list[str]]:
        """Read a variable.

        Arguments:
            checkpoint: what `open_checkpoint` returned.
            canonical: str. The canonical name of a variable that the file has.

        Returns:
            The array in the canonical shape, and the list of the names in the file that it was made from.
        """
        stored, transposed = self._found(checkpoint, canonical)
        value = checkpoint[stored].T if transposed else checkpoint[stored]
        part = self.part(canonical)
        if part is not None and part[1] is not None:
            size = value.shape[-1] // part[1]
            value = value[..., part[0] * size : (part[0] + 1) * size]
        if self.is_row(canonical) and value.ndim == 2 and len(value) == 1:
            value = value[0]
        return value, [stored]

    def read_names(self, checkpoint: Checkpoint, canonical: str) -> list[str]:
        """List the names in the file that `read` reads for a variable.

        Arguments:
            checkpoint: what `open_checkpoint` returned.
            canonical: str. The canonical name.

        Returns:
            list of str. It is empty if the file does not have the variable.
        """
        found = self.find(checkpoint, canonical)
        return [] if found is None else [found[0]]

    def for_network(self, network: Network) -> Dialect:
        """Adapt the dialect to a network, if its rules follow from the description of the network.

        Arguments:
            network: `Network`.

        Returns:
            `Dialect`: this one, or one with the rules of the network.
        """
        return self

    def corrections(self, config: dict[str, Any]) -> dict[str, Any]:
        """Correct a configuration: some values are wrong in the configurations that publishers put beside such files.

        Arguments:
            config: dict under our names.

        Returns:
            dict from key to its right value; the value None leaves the key as it is.
        """
        return {}


class View:
    """A checkpoint that is read under canonical names.

    Arguments:
        checkpoint: what `open_checkpoint` returned.
        dialect: `Dialect`. The dialect of the names in the file.

    Attributes:
        checkpoint: the argument.
        dialect: `Dialect`. The argument.
        used: set of str. The names in the file that were read so far.

    Example:
        >>> import numpy as np
        >>> from b4k3.models.checkpoints import open_checkpoint
        >>> from b4k3.models.dialects import Dialect, View, linear
        >>> mine = Dialect("mine", linear("bert/pooler/dense", "pooler"), lambda names: "pooler.weight" in names)
        >>> view = View(open_checkpoint({"pooler.weight": np.zeros((2, 3), dtype="float32")}), mine)
        >>> view.keys(), view.shape("bert/pooler/dense/kernel")
        (['bert/pooler/dense/kernel'], (3, 2))
    """

    def __init__(self, checkpoint: Checkpoint, dialect: Dialect) -> None:
        self.checkpoint = checkpoint
        self.dialect = dialect
        self.used: set[str] = set()
        self.said: list[str] = []  # sentences for the report that tell how the names were recognised

    def __contains__(self, name: str) -> bool:
        return self.dialect.find(self.checkpoint, name) is not None

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Read a variable.

        Arguments:
            name: str. The canonical name.

        Returns:
            The array in the canonical shape.

        Raises:
            KeyError: the file does not have the variable.
        """
        if name not in self:
            raise KeyError(name)
        value, stored = self.dialect.read(self.checkpoint, name)
        self.used.update(stored)
        return value

    def shape(self, name: str) -> tuple[int, ...]:
        """Tell the shape of a variable without reading it.

        Arguments:
            name: str. The canonical name.

        Returns:
            tuple of int. The canonical shape.

        Raises:
            KeyError: the file does not have the variable.
        """
        if name not in self:
            raise KeyError(name)
        return self.dialect.shape(self.checkpoint, name)

    def keys(self) -> list[str]:
        """List the variables in the file that the dialect knows.

        Returns:
            list of str, their canonical names.
        """
        checkpoint, dialect = self.checkpoint, self.dialect
        names = (name for stored in checkpoint.keys() for name in dialect.canonicals_in(checkpoint, stored))
        return list(dict.fromkeys(names))

    def unused(self) -> list[str]:
        """List the variables in the file that were not read so far.

        Returns:
            list of str, their names in the file.
        """
        return [stored for stored in self.checkpoint.keys() if stored not in self.used]


def written(tensors: Mapping[str, NDArray[Any]], target: Dialect) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """Translate arrays to the names of a dialect.

    Arguments:
        tensors: dict from canonical name to array.
        target: `Dialect`.

    Returns:
        A dict from the name in the dialect to the array, and the list of the canonical names that cannot be written.
    """
    found, unknown = places(tensors, target)
    renamed = {
        name: joined([tensors[part] for part in parts], transposed, stacked(parts, target))
        for name, (parts, transposed) in found.items()
    }
    return renamed, unknown


def translated(checkpoint: Checkpoint, source: Dialect, target: Dialect) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """Translate a checkpoint from one dialect to another.

    Arguments:
        checkpoint: what `open_checkpoint` returned.
        source: `Dialect` of the checkpoint.
        target: `Dialect` of the result.

    Returns:
        A dict from the new name to the array, and the list of the names in the checkpoint that cannot be translated.

    Example:
        >>> from b4k3.models.checkpoints import open_checkpoint
        >>> from b4k3.models.dialects import translated
        >>> from b4k3.models.registry import dialects
        >>> known = {dialect.name: dialect for dialect in dialects()}
        >>> checkpoint = open_checkpoint({"bert/pooler/dense/kernel": np.zeros((2, 3), "float32")})
        >>> tensors, lost = translated(checkpoint, known["google"], known["huggingface"])
        >>> {name: array.shape for name, array in tensors.items()}, lost
        ({'bert.pooler.dense.weight': (3, 2)}, [])
    """
    view = View(checkpoint, source)
    tensors, unknown = written({name: view[name] for name in view.keys()}, target)
    lost = {stored for name in unknown for stored, _ in source.candidates(name)}
    understood = {stored for stored in checkpoint.keys() if source.canonical(stored) is not None} | view.used
    return tensors, [stored for stored in checkpoint.keys() if stored in lost or stored not in understood]
