"""A checkpoint and what lies beside it, looked at without any Keras."""

from __future__ import annotations

import os
import re

from ..checkpoints import CheckpointError, open_checkpoint
from ..config import DEFAULTS, REQUIRED, ConfigError, read_config, validate, with_aliases
from ..detect import contradictions, guess, recognise, sizes
from ..loading import open_view
from ..recognition import config_of_folder, released
from ..t5_versions import published_activation
from .parts import LOADS, gaps, part_of

VOCABULARIES = ("vocab.txt", "vocab_chinese.txt", "tokenizer.json", "spiece.model", "sentencepiece.model")
VOCABULARY_ENDS = (".vocab", "_vocab.txt", ".model")


class Source:
    """What is known of a checkpoint.

    Arguments:
        path: as of `open_checkpoint`.
        config: path of its configuration; found beside it if None.
        model: its architecture, by its `model=`; recognised if None.
        verify: as of `open_checkpoint`.
        folder: where to look for what lies beside it, if not where it is.

    Attributes:
        checkpoint: `Checkpoint`.
        folder: where it is.
        view: `View` under canonical names; None if no dialect knows them.
        model, what: the architecture, and in words what the file is; None if not recognised.
        sizes: dict, what the shapes say.
        file_config: dict as it is in the file, {} if there is none; `where` is the file's path or None.
        config: dict under our names: the file's, completed from the shapes or a ready config.
        vocabulary: path of the vocabulary beside it, or None.
        problems: list of str: why it cannot be loaded as it is.
        notes: list of str.
    """

    def __init__(self, path, config=None, model=None, verify="auto", folder=None):
        self.checkpoint = open_checkpoint(path, verify=verify)
        self.path = path if isinstance(path, str) else self.checkpoint.path
        self.folder = folder or (self.path if os.path.isdir(self.path) else os.path.dirname(self.path) or ".")
        self.view = self.model = self.what = self.where = None
        self.file_config, self.config, self.sizes = {}, {}, {}
        self.problems, self.notes = [], []
        self.vocabulary = find_vocabulary(self.folder)
        try:
            self.view = open_view(self.checkpoint, model)
        except CheckpointError as e:
            self.problems.append(str(e))
        self._find_config(config, model)
        if self.view is not None:
            self._recognise(model)

    def _find_config(self, config, model):
        try:
            if config is not None:
                self.file_config, self.where = read_config(config), config
            elif self.view is not None:
                self.file_config, where = config_of_folder(self.folder, self.view, model)
                self.where = where if self.file_config else None
        except ConfigError as e:
            self.problems.append(str(e))

    def _recognise(self, model):
        found = guess(self.view.keys())
        self.what = None if found is None else found[0]
        self.model = model
        try:
            if model is None:
                self.model = recognise(self.view, with_aliases(self.file_config), os.path.abspath(self.checkpoint.path))
        except ConfigError as e:
            self.problems.append(str(e))
            return
        self.view = open_view(self.checkpoint, self.model)
        self._complete()
        self.problems += lacking(self.view.keys(), self.model)

    def _complete(self):
        known = with_aliases(self.file_config)
        corrections = self.view.dialect.corrections(known)
        known.update({key: value for key, value in corrections.items() if value is not None})
        self.sizes = sizes(self.view, self.model)
        for key in contradictions(known, self.sizes):
            self.problems.append("%s says %s=%s, the shapes say %s" % (self.where, key, known[key], self.sizes[key]))
        found = {key: size for key, size in self.sizes.items() if known.get(key) is None}
        if not self.file_config:
            name, ready = released(self.model, found)
            if name is not None:
                self.notes.append("there is no config; the sizes are those of the ready config %s" % name)
                found = dict(ready, **found)
        self.config = dict(DEFAULTS, **dict(known, **found))
        self.config["hidden_act"] = published_activation(self.model, self.config.get("hidden_act"))
        missing = [key for key in REQUIRED if self.config.get(key) is None]
        if missing:
            self.problems.append("neither a config nor the shapes say %s" % ", ".join(missing))
        else:
            try:
                validate(self.config, self.where or self.checkpoint.path)
            except ConfigError as e:
                self.problems.append(str(e))

    def require(self):
        """Raise one error if the network is not known well enough to be built or converted.

        Raises:
            CheckpointError: with every problem.
        """
        if self.problems:
            raise CheckpointError("%s: %s" % (self.path, "; ".join(self.problems)))
        return self

    @property
    def tanh_by_gelu(self):
        """Whether the authors of such a file mean the tanh form where its config says gelu."""
        google = self.view is not None and self.view.dialect.family != "huggingface"
        return google and self.model in ("bert", "albert", "nezha") and self.config.get("hidden_act") == "gelu"

    @property
    def arguments(self):
        """The keyword arguments of `build_transformer_model` that build it."""
        return {"config_path": dict(self.config), "checkpoint_path": self.checkpoint, "model": self.model}


def lacking(names, model):
    """What the body of a network lacks, a sentence each. Arguments: canonical names; the architecture."""
    body = {name: part_of(name, name, model) for name in names}
    body = {name: part for name, (part, loads) in body.items() if loads == LOADS}
    blocks = [name for name in body if body[name] == "blocks"]
    problems = gaps(blocks)
    if not blocks:
        problems.append("no variable of a block of the network is in it")
    if not any(re.search(r"/(word_embed(dings)?|embedding)$", name) for name in body):
        problems.append("the token embeddings are not in it")
    return problems


def find_vocabulary(folder):
    """The path of the only vocabulary in a folder, or of the usual one; None if there is none or nothing decides."""
    names = sorted(os.listdir(folder))
    for name in VOCABULARIES:
        if name in names:
            return os.path.join(folder, name)
    found = [name for name in names if name.endswith(VOCABULARY_ENDS)]
    return os.path.join(folder, found[0]) if len(found) == 1 else None
