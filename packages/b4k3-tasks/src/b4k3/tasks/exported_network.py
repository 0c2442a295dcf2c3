"""A network without a head, to be exported with its config and its tokenizer."""

from __future__ import annotations

import os
from typing import Any

from .opening import Opened, open_folder
from .saving import write_config
from .task_export import TaskExport


class ExportedNetwork(TaskExport):
    """A network without a head, to be exported with its config and its tokenizer.

    Arguments:
        opened: `Opened`. The network, its tokenizer and its files.
        maxlen: int or None. The number of tokens at which texts are cut.

    Attributes:
        model: keras.Model. Ids and segment ids, [batch, n] each, to vectors.
        maxlen: int or None. The number of tokens at which texts are cut.

    Example:
        >>> from b4k3.tasks.exported_network import ExportedNetwork
        >>> ExportedNetwork.from_folder("no such folder")
        Traceback (most recent call last):
        ...
        FileNotFoundError: ...
    """

    def __init__(self, opened: Opened, maxlen: int | None = None) -> None:
        self.opened, self.transformer, self.model = opened, opened.transformer, opened.transformer.model
        limits = [limit for limit in (maxlen, opened.longest) if limit is not None]
        self.maxlen: int | None = min(limits) if limits else None

    @classmethod
    def from_folder(
        cls, folder: str | os.PathLike[str], maxlen: int | None = None, vocab: str | None = None, case: str = "auto"
    ) -> ExportedNetwork:
        """Load a folder of transformers, or of an original checkpoint.

        Arguments:
            folder: path. A folder with checkpoint, config and vocabulary, or a checkpoint with these beside it.
            maxlen: int or None. Cut texts at so many tokens; None takes what the network can read.
            vocab: str or None. The vocabulary, if it is not in the folder.
            case: str. Whether text is lower-cased for a vocab.txt: "lower", "keep" or "auto".

        Returns:
            `ExportedNetwork`.

        Raises:
            ConfigError: a file cannot be read.
            CheckpointError: the checkpoint cannot be loaded.
            FileNotFoundError: there is no checkpoint or no vocabulary.
        """
        return cls(open_folder(os.fspath(folder), {}, vocab, case), maxlen)

    def exported_model(self) -> tuple[Any, list[str] | None]:
        """Return the network; its outputs have the names that tools expect.

        Returns:
            (`Transformer`, None).
        """
        return self.transformer, None

    def write_beside(self, folder: str) -> None:
        """Write the config and the tokenizer.

        Arguments:
            folder: str.
        """
        write_config(self.opened, folder, ())
