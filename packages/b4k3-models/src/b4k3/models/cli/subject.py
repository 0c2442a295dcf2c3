"""A checkpoint with the files beside it, as every command looks at it.

A `Subject` takes the steps of `Source`, which `build_transformer_model` takes too, and then asks what would load. None
of them needs Keras.
"""

from __future__ import annotations

import os
import re
from typing import Any

from ..checkpoints import CheckpointError
from ..checkpoints._files import is_regular
from ..keys import LIMITS
from ..leftovers import leftover
from ..loading import NOT_FLOATS, NOT_USED, Unread
from ..networks.description import Layer, Part
from ..source import MORE_BLOCKS, STACKS, Source, wrong_direction
from ..untrained import looks_untrained

FAIRSEQ = "sentencepiece.bpe.model"  # in XLM-R, BGE-M3 and multilingual E5; their ids are not the ids in the file
VOCABULARIES = (
    "vocab.txt",
    "vocab_chinese.txt",
    "tokenizer.json",
    FAIRSEQ,
    "spiece.model",
    "sentencepiece.model",
    "spm.model",
    "vocab.json",
)
VOCABULARY_ENDS = (".vocab", "_vocab.txt", ".model")
LOADS = "loads"


class Subject(Source):
    """The checkpoint that a command is about: what it is, what is in it, and what of it would load.

    Arguments:
        path: what `open_checkpoint` takes: a path, or a dict of arrays.
        config: str, dict or None. The path of the configuration, or the configuration; None looks for it beside the
            checkpoint.
        model: str or None. The name for `model=`; None recognises the network.
        folder: str or None. The folder in which the configuration and the vocabulary are looked for; None takes the
            folder of the checkpoint.

    Attributes (besides the attributes of `Source`):
        vocabulary: str or None. The path of the vocabulary beside the checkpoint.
        problems: list of str. The reasons why no model can be built from the checkpoint.

    Raises:
        CheckpointError: the checkpoint cannot be opened.
        FileNotFoundError: there is no such path.

    Example:
        >>> from b4k3.models import BERT
        >>> from b4k3.models.cli.subject import Subject
        >>> bert = BERT(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...             intermediate_size=16, hidden_act="gelu", with_mlm=True)
        >>> bert.build()
        >>> subject = Subject(bert.checkpoint_variables(), {"num_attention_heads": 2, "hidden_act": "gelu"})
        >>> subject.what, subject.problems, subject.parts_present()
        ('a BERT checkpoint', [], ['embeddings', 'blocks', 'MLM head'])
        >>> subject.part_of("cls/predictions/output_bias")
        ('MLM head', 'with_mlm=True')
    """

    def __init__(
        self,
        path: Any,
        config: str | dict[str, Any] | None = None,
        model: str | None = None,
        folder: str | None = None,
    ) -> None:
        super().__init__(config, path, model or "auto", look_beside=True, patient=True)
        self.path = path if isinstance(path, str) else self.checkpoint.path
        self.folder = folder or self.folder
        self.vocabulary = find_vocabulary(self.folder)
        self._unread: Unread | None = None
        self._loads: dict[str, Part] = {}  # canonical name -> its part
        self._read: dict[str, Part] = {}  # name in the file -> its part
        if self.configured and self.view is not None and self._has_sane_sizes():
            self._unread = Unread(self.network, self.view, self.all_sizes, ())
            self._find_what_loads()
            self.problems += self._lacking() + self._wrong_shapes() + self._not_floats() + self._not_read()

    def _has_sane_sizes(self) -> bool:
        """Ask whether the sizes are numbers and not too large, so that every variable can be looked for by its name.

        A config may claim thousands of blocks that the checkpoint does not have. `Source` has refused it by now, and
        nobody wants to read of each missing block.
        """
        sizes = {key: self.all_sizes.get(key) for key in LIMITS}
        limits = {key: self.sizes.get(key, 1) + MORE_BLOCKS if key in STACKS else 10**8 for key in LIMITS}
        return all(size is None or (isinstance(size, int) and size <= limits[key]) for key, size in sizes.items())

    def _find_what_loads(self) -> None:
        """Note the part of each variable that the network can load, by its canonical name and by its own."""
        for part, layer, _, numbers in self.network.instances(self.all_sizes):
            for variable in layer.variables_of(self.all_sizes):
                canonical = variable.name.format(**numbers)
                if canonical in self.view:
                    self._loads[canonical] = part
                    for stored in self.view.dialect.read_names(self.checkpoint_read, canonical):
                        self._read[stored] = part

    @property
    def what(self) -> str | None:
        """What messages call the file, 'a BERT checkpoint' for instance; None if it is not recognised."""
        return None if self.network is None else self.network.what

    # ---------------------------------------------------------------------------------------------------- parts

    def part_of(self, name: str) -> tuple[str, str | None]:
        """Find the part of the network that a variable belongs to, and what makes it load.

        Arguments:
            name: str. The name in the file.

        Returns:
            (name of the part, or the kind of a variable that is in no part; what makes it load). The second is `LOADS`
            if nothing needs to be said, the argument that adds the part ("with_mlm=True"), the name of another network
            in the same file ("model='electra_generator'"), or None if it does not load.
        """
        if self._unread is None:
            return leftover(name) or NOT_USED, None
        if name in self._read:
            part = self._read[name]
            return part.name, LOADS if self._is_made(part) else f"{part.argument}=True"
        neighbour = self._unread.neighbour(name)
        loads = None if neighbour is None else f"model={neighbour[1].name!r}"
        return self._unread.kind(name) or NOT_USED, loads

    def _is_made(self, part: Part) -> bool:
        """Ask whether `build_transformer_model` adds a part without being told to."""
        return part.argument is None or (part.on and self.known.get(part.argument) is not False)

    def canonicals_that_load(self) -> list[str]:
        """List the variables that the network can load, heads included.

        Returns:
            list of str, the canonical names.
        """
        return list(self._loads)

    def parts_present(self) -> list[str]:
        """List the parts of the network that the file has.

        Returns:
            list of str, the names in the order of the description. A part without variables, such as an output that is
            tied to the token embeddings, is always there.
        """
        sizes = self.all_sizes
        names = {part.name for part in self._loads.values()}
        for part in self.network.parts:
            if not any(layer.exists(sizes) for layer in part.layers) and self.known.get(part.argument) is not False:
                names.add(part.name)
        return [part.name for part in self.network.parts if part.name in names]

    # ----------------------------------------------------------------------------------------------- the verdict

    def _wanted(self) -> list[tuple[Layer, dict[str, int], Any]]:
        """List (layer, numbers in the name, variable) of the body and of the parts that are added by default."""
        return [
            (layer, numbers, variable)
            for part, layer, _, numbers in self.network.instances(self.all_sizes)
            if self._is_made(part) and not part.optional
            for variable in layer.variables_of(self.all_sizes)
        ]

    def _lacking(self) -> list[str]:
        """Write a sentence for each missing variable, but only one for a block that is missing as a whole."""
        blocks: dict[str, list[tuple[str, bool]]] = {}
        sentences = []
        for layer, numbers, variable in self._wanted():
            name = variable.name.format(**numbers)
            if layer.blocks is None:
                if name not in self.view:
                    sentences.append(f"{name} is not in it")
                continue
            scope = re.match(r"(.*\{\w+(?::\w+)?\}[^/]*)/", variable.name).group(1).format(**numbers)
            blocks.setdefault(scope, []).append((name, name in self.view))
        for scope, names in blocks.items():
            if not any(there for _, there in names):
                sentences.append(f"there is no {scope}")
            else:
                sentences += [f"{scope} lacks {name[len(scope) + 1 :]}" for name, there in names if not there]
        if not blocks:
            sentences.append("no variable of a block of the network is in it")
        return list(dict.fromkeys(sentences))[:50]

    def _wrong_shapes(self) -> list[str]:
        """Write a sentence for each variable whose shape contradicts the sizes."""
        sizes, sentences = self.all_sizes, []
        for _, numbers, variable in self._wanted():
            name, wanted = variable.name.format(**numbers), variable.shape(sizes)
            if wanted is not None and name in self.view and tuple(self.view.shape(name)) != wanted:
                sentences.append(f"{name} is {list(self.view.shape(name))}, the sizes make it {list(wanted)}")
        return sentences[:20]

    def _not_floats(self) -> list[str]:
        """Write a sentence for each variable of the network that is no array of floating-point numbers."""
        sentences = []
        for _, numbers, variable in self._wanted():
            name = variable.name.format(**numbers)
            for stored in self.view.dialect.read_names(self.checkpoint_read, name):
                dtype = self.checkpoint_read.dtype(stored)
                if dtype.kind in NOT_FLOATS:
                    sentences.append(f"{stored} is {dtype.name}, where weights are floating-point numbers")
        return list(dict.fromkeys(sentences))[:20]

    def _not_read(self) -> list[str]:
        """Write a sentence for each variable that `build_transformer_model` refuses to leave unread."""
        rest = [name for name in self.checkpoint_read if name not in self._read]
        return [f"{name} belongs to the network and is not read" for name in self._unread.sort(rest)[1]][:20]

    @property
    def checkpoint_read(self) -> Any:
        """The checkpoint with the names by which it is read: without the prefix, if all of its names have one."""
        return self.checkpoint if self.view is None else self.view.checkpoint

    def require(self) -> Subject:
        """Refuse a checkpoint whose network is not known well enough to be built or converted.

        Returns:
            The subject itself.

        Raises:
            CheckpointError: there is a problem. The message has all of them.
        """
        if self.problems:
            raise CheckpointError(f"{self.path}: {'; '.join(self.problems)}")
        return self

    def untrained_heads(self) -> list[str]:
        """Write a note on each head in the file that looks untrained.

        Returns:
            list of str.
        """
        notes = []
        for part in self.network.heads if self.view is not None and self.network is not None else ():
            names = [name for name, other in self._loads.items() if other is part]
            if names and not part.on and looks_untrained([self.view[name] for name in names]):
                notes.append(f"the {part.name} ({names[0]}, …) looks freshly initialised, not trained")
        return notes

    @property
    def refusals(self) -> list[str]:
        """Why `build_transformer_model` would refuse it: the problems, and a decoder that is taken for an encoder."""
        if not self.configured:
            return self.problems
        direction = wrong_direction(self.known, "encoder", self.network, self.where or self.path)
        return self.problems + ([direction] if direction is not None else [])

    @property
    def longest(self) -> int | None:
        """The greatest number of tokens in a text; None if the network has no table of positions."""
        rows = self.sizes.get("max_position")
        return None if rows is None else rows - self.network.first_position(self.all_sizes)

    @property
    def tanh_by_gelu(self) -> bool:
        """Whether the authors of the file mean the tanh form of gelu where its config says gelu."""
        google = self.view is not None and self.view.dialect.family != "huggingface"
        return google and self.network.trained_with_tanh and self.config.get("hidden_act") == "gelu"

    @property
    def arguments(self) -> dict[str, Any]:
        """The keyword arguments of `build_transformer_model` that build the model of this checkpoint."""
        config = {key: value for key, value in self.known.items() if key not in ("model_type", "is_decoder")}
        return {"config_path": config, "checkpoint_path": self.checkpoint, "model": self.network}


def find_vocabulary(folder: str) -> str | None:
    """Look for the vocabulary in a folder: a file with one of the usual names, or the only file with a usual ending.

    Arguments:
        folder: str.

    Returns:
        str, the path; None if there is no vocabulary, or if several files may be it.
    """
    names = [name for name in sorted(os.listdir(folder)) if is_regular(os.path.join(folder, name))]
    for name in VOCABULARIES:
        if name in names:
            return os.path.join(folder, name)
    found = [name for name in names if name.endswith(VOCABULARY_ENDS)]
    return os.path.join(folder, found[0]) if len(found) == 1 else None
