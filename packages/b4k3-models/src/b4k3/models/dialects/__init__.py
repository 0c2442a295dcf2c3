"""How a project names its variables: rules between its names and those that our architectures use.

An architecture speaks of its variables under canonical names: those of the project that published it first, Google's
for BERT. A `Dialect` translates them; a new one is one file here and one line in `registry.DIALECTS`.
"""

from __future__ import annotations

import re

import numpy as np

_PLACEHOLDER = re.compile(r"\{(\w+)(?::\w+)?\}")


class Template:
    """Names of one form: 'layer_{i}/x', or 'layer_{i:03d}/x' for three digits.

    The expression is compiled when a name may fit: a program sees the names of one dialect, and compiling those of all
    took a tenth of a second.
    """

    def __init__(self, text):
        self.text = text
        self._head, self._tail = text.split("{", 1)[0], text.rsplit("}", 1)[-1]
        self._regex = None

    def match(self, name):
        """The numbers in a name, a dictionary, or None if the name is of another form."""
        if not (name.startswith(self._head) and name.endswith(self._tail)):
            return None
        if self._regex is None:
            self._regex = re.compile(self._expression())
        match = self._regex.match(name)
        return match and {key: int(value) for key, value in match.groupdict().items()}

    def _expression(self):
        parts, end = [], 0
        for match in _PLACEHOLDER.finditer(self.text):
            parts.append(re.escape(self.text[end : match.start()]))
            parts.append("(?P<%s>[0-9]+)" % match.group(1))
            end = match.end()
        return "".join(parts) + re.escape(self.text[end:]) + "$"

    def fill(self, numbers):
        """The name with these numbers."""
        return self.text.format(**numbers)


class Rule:
    """One correspondence.

    Arguments:
        canonical: template of the canonical name, with {i} for numbers.
        stored: template of the name in the file.
        transposed: whether the file holds the matrix transposed, as torch's Linear does.
        part: (k, n) if the variable is part k of n equal ones of which the file holds the last axes joined.
        also: whether the variable is written under this name too, beside that of an earlier rule.
    """

    def __init__(self, canonical, stored, transposed=False, part=None, also=False):
        self._canonical = Template(canonical)
        self._stored = Template(stored)
        self.transposed = transposed
        self.part = part
        self.also = also

    def to_stored(self, name):
        """The name in the file of a canonical name, or None if the rule does not fit it."""
        return _translate(name, self._canonical, self._stored)

    def to_canonical(self, name):
        """The canonical name of a name in the file, or None if the rule does not fit it."""
        return _translate(name, self._stored, self._canonical)


def _translate(name, source, target):
    numbers = source.match(name)
    return None if numbers is None else target.fill(numbers)


def linear(canonical, stored):
    """The rules of a Dense layer: a kernel [in, out] is torch's weight [out, in]."""
    return [Rule(canonical + "/kernel", stored + ".weight", True), Rule(canonical + "/bias", stored + ".bias")]


def norm(canonical, stored):
    """The rules of a layer normalisation; releases before 2019 say gamma and beta."""
    return [
        Rule(canonical + "/gamma", stored + ".weight"),
        Rule(canonical + "/beta", stored + ".bias"),
        Rule(canonical + "/gamma", stored + ".gamma"),
        Rule(canonical + "/beta", stored + ".beta"),
    ]


class Dialect:
    """A set of rules.

    Arguments:
        name: str.
        rules: list of `Rule`; of several that fit a name the first that the file has counts, and the first is written.
            None for the canonical names themselves.
        sign: function from a set of names to whether a file with them is in this dialect.
        prefixes: what the names of a body begin with in files of different origin, '' among them where there may be
            nothing; the first one is that of the rules, and is written.
        family: name of a set of dialects of one project, of which one is chosen by the model; the name itself if None.
        models: the architectures, by their `model=`, that this one of its family is for.
    """

    def __init__(self, name, rules, sign, prefixes=(), family=None, models=()):
        self.name = name
        self.rules = rules
        self.sign = sign
        self.prefixes = tuple(prefixes)
        self.family = family or name
        self.models = tuple(models)
        self._of_parts = [rule for rule in rules or () if rule.part is not None]

    def recognises(self, names):
        """Whether a file with these variable names speaks this dialect."""
        return self.sign(names)

    def candidates(self, canonical):
        """[(name in the file, transposed)] under which a variable may be stored, the one that is written first."""
        if self.rules is None:
            return [(canonical, False)]
        found = []
        for rule in self.rules:
            stored = rule.to_stored(canonical)
            if stored is not None:
                found += [(name, rule.transposed) for name in self._spellings(stored)]
        return found

    def copies(self, canonical):
        """[(name in the file, transposed)] under which a variable is written besides the first of `candidates`."""
        found = [(rule.to_stored(canonical), rule.transposed) for rule in self.rules or () if rule.also]
        return [(name, transposed) for name, transposed in found if name is not None]

    def _spellings(self, stored):
        if not self.prefixes or not stored.startswith(self.prefixes[0]):
            return [stored]
        return [prefix + stored[len(self.prefixes[0]) :] for prefix in self.prefixes]

    def canonical(self, stored):
        """(canonical name, transposed) of a variable in a file, or None if no rule knows it; of several the first."""
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

    def canonicals(self, stored):
        """The canonical names of all that a variable in a file holds."""
        known = self.canonical(stored)
        if known is None:
            return []
        name, _ = self.candidates(known[0])[0]
        parts = [rule.to_canonical(name) for rule in self._of_parts]
        return [canonical for canonical in parts if canonical is not None] or [known[0]]

    def part(self, canonical):
        """(k, n) if the file holds a variable as part k of n, else None."""
        parts = [rule.part for rule in self._of_parts if rule.to_stored(canonical) is not None]
        return parts[0] if parts else None

    def find(self, checkpoint, canonical):
        """(stored name, transposed), or None if the file does not have the variable."""
        for stored, transposed in self.candidates(canonical):
            if stored in checkpoint:
                return stored, transposed
        return None

    def shape(self, checkpoint, canonical):
        """The shape of a variable that the file has."""
        stored, transposed = self.find(checkpoint, canonical)
        shape = tuple(checkpoint.shape(stored))
        part = self.part(canonical)
        if part is not None:
            shape = shape[:-1] + (shape[-1] // part[1],)
        return shape[::-1] if transposed else shape

    def read(self, checkpoint, canonical):
        """(array, the stored names that it is made of) of a variable that the file has."""
        stored, transposed = self.find(checkpoint, canonical)
        value = checkpoint[stored]
        part = self.part(canonical)
        if part is not None:
            size = value.shape[-1] // part[1]
            value = value[..., part[0] * size : (part[0] + 1) * size]
        return (value.T if transposed else value), [stored]

    def read_names(self, checkpoint, canonical):
        """The stored names that a variable is made of; none if the file does not have it."""
        found = self.find(checkpoint, canonical)
        return [] if found is None else [found[0]]

    def for_network(self, network):
        """This dialect, with the rules of a network where they follow from its description."""
        return self

    def corrections(self, config):
        """{key: value} that a configuration published with such a file means, where that is not what it says."""
        return {}


class View:
    """A checkpoint under canonical names.

    Arguments:
        checkpoint: what `open_checkpoint` returned.
        dialect: the `Dialect` of its names.
    """

    def __init__(self, checkpoint, dialect):
        self.checkpoint = checkpoint
        self.dialect = dialect
        self.used = set()
        self.said = []  # how it was found that the names are of the dialect, where that is worth saying

    def __contains__(self, name):
        return self.dialect.find(self.checkpoint, name) is not None

    def __getitem__(self, name):
        """The array [canonical shape]. Raises: KeyError: the file does not have it."""
        if name not in self:
            raise KeyError(name)
        value, stored = self.dialect.read(self.checkpoint, name)
        self.used.update(stored)
        return value

    def shape(self, name):
        """The canonical shape, without reading. Raises: KeyError: the file does not have the variable."""
        if name not in self:
            raise KeyError(name)
        return self.dialect.shape(self.checkpoint, name)

    def keys(self):
        """Canonical names of all variables that the dialect knows."""
        names = (name for stored in self.checkpoint.keys() for name in self.dialect.canonicals(stored))
        return list(dict.fromkeys(names))

    def unused(self):
        """Names in the file that nobody has asked for."""
        return [stored for stored in self.checkpoint.keys() if stored not in self.used]


def places(names, target):
    """Where a dialect puts variables.

    Arguments:
        names: canonical names.
        target: `Dialect`.

    Returns:
        (dict from its name to (canonical names of what it joins, whether it is transposed), list of the canonical
        names that it has no name for, or not all parts of)
    """
    found, unknown = {}, []
    for canonical in names:
        candidates = target.candidates(canonical)
        if not candidates:
            unknown.append(canonical)
            continue
        name, transposed = candidates[0]
        if target.part(canonical) is None:
            for name, transposed in candidates[:1] + target.copies(canonical):
                found[name] = ([canonical], transposed)
        else:
            found.setdefault(name, ([], transposed))[0].append(canonical)
    for name, (parts, _) in list(found.items()):
        part = target.part(parts[0])
        if part is not None:
            parts.sort(key=lambda canonical: target.part(canonical)[0])
            if len(parts) != part[1]:
                unknown += found.pop(name)[0]
    return found, unknown


def joined(values, transposed):
    """What a file holds for arrays. Arguments: list of them; whether it is transposed."""
    value = values[0] if len(values) == 1 else np.concatenate(values, axis=-1)
    return value.T if transposed else value


def written(tensors, target):
    """Arrays under the names of a dialect.

    Arguments:
        tensors: dict from canonical name to array.
        target: `Dialect`.

    Returns:
        (dict from name to array, list of the canonical names that it has no name for)
    """
    found, unknown = places(tensors, target)
    renamed = {name: joined([tensors[part] for part in parts], t) for name, (parts, t) in found.items()}
    return renamed, unknown


def translated(checkpoint, source, target):
    """Names and arrays of a checkpoint in another dialect.

    Arguments:
        checkpoint: what `open_checkpoint` returned.
        source, target: `Dialect`s.

    Returns:
        (dict from new name to array, list of names that no rule knows)
    """
    view = View(checkpoint, source)
    tensors, unknown = written({name: view[name] for name in view.keys()}, target)
    lost = {stored for name in unknown for stored, _ in source.candidates(name)}
    spoken = {stored for stored in checkpoint.keys() if source.canonical(stored) is not None} | view.used
    return tensors, [stored for stored in checkpoint.keys() if stored in lost or stored not in spoken]
