"""How a project names its variables: rules between its names and those that our architectures use.

An architecture speaks of its variables under canonical names: those of the project that published it first, Google's
for BERT. A `Dialect` translates them; a new one is one file here and one line in `registry.DIALECTS`.
"""

from __future__ import annotations

import re

PLACEHOLDER = re.compile(r"\{(\w+)\}")


def to_regex(template):
    """'layer_{i}/x' -> a regular expression whose group i matches digits."""
    parts, end = [], 0
    for match in PLACEHOLDER.finditer(template):
        parts.append(re.escape(template[end : match.start()]))
        parts.append("(?P<%s>[0-9]+)" % match.group(1))
        end = match.end()
    return re.compile("".join(parts) + re.escape(template[end:]) + "$")


class Rule:
    """One correspondence.

    Arguments:
        canonical: template of the canonical name, with {i} for numbers.
        stored: template of the name in the file.
        transposed: whether the file holds the matrix transposed, as torch's Linear does.
    """

    def __init__(self, canonical, stored, transposed=False):
        self.canonical = canonical
        self.stored = stored
        self.transposed = transposed
        self._from_canonical = to_regex(canonical)
        self._from_stored = to_regex(stored)

    def to_stored(self, name):
        match = self._from_canonical.match(name)
        return self.stored.format(**match.groupdict()) if match else None

    def to_canonical(self, name):
        match = self._from_stored.match(name)
        return self.canonical.format(**match.groupdict()) if match else None


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
        prefix: what precedes every name that has it, and may be missing in files that hold only the body.
        sign: function from a set of names to whether a file with them is in this dialect.
    """

    def __init__(self, name, rules, sign, prefix=""):
        self.name = name
        self.rules = rules
        self.sign = sign
        self.prefix = prefix

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
                found.append((stored, rule.transposed))
                if self.prefix and stored.startswith(self.prefix):
                    found.append((stored[len(self.prefix) :], rule.transposed))
        return found

    def canonical(self, stored):
        """(canonical name, transposed) of a variable in a file, or None if no rule knows it."""
        if self.rules is None:
            return stored, False
        for name in (stored, self.prefix + stored):
            for rule in self.rules:
                canonical = rule.to_canonical(name)
                if canonical is not None:
                    return canonical, rule.transposed
        return None


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

    def find(self, name):
        """(stored name, transposed), or None if the file does not have the variable."""
        for stored, transposed in self.dialect.candidates(name):
            if stored in self.checkpoint:
                return stored, transposed
        return None

    def __contains__(self, name):
        return self.find(name) is not None

    def __getitem__(self, name):
        """The array [canonical shape]. Raises: KeyError: the file does not have it."""
        found = self.find(name)
        if found is None:
            raise KeyError(name)
        self.used.add(found[0])
        value = self.checkpoint[found[0]]
        return value.T if found[1] else value

    def keys(self):
        """Canonical names of all variables that the dialect knows."""
        known = (self.dialect.canonical(stored) for stored in self.checkpoint.keys())
        return [pair[0] for pair in known if pair is not None]

    def unused(self):
        """Names in the file that nobody has asked for."""
        return [stored for stored in self.checkpoint.keys() if stored not in self.used]


def translated(checkpoint, source, target):
    """Names and arrays of a checkpoint in another dialect.

    Arguments:
        checkpoint: a mapping from name to array.
        source, target: `Dialect`s.

    Returns:
        (dict from new name to array, list of names that no rule knows)
    """
    tensors, unknown = {}, []
    for stored in checkpoint.keys():
        found = source.canonical(stored)
        targets = target.candidates(found[0]) if found else []
        if not targets:
            unknown.append(stored)
            continue
        name, transposed = targets[0]
        value = checkpoint[stored]
        tensors[name] = value.T if transposed != found[1] else value
    return tensors, unknown
