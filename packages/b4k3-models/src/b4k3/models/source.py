"""Go the steps from the arguments of a caller to a model that can be built: locate, open, dialect, network, config.

None of them needs Keras. `build_transformer_model` continues with the class; every command of `b4k3` uses the same
`Source`, so that `b4k3 inspect` reports exactly what the build does. For example, for the folder of a published BERT:

1. locate: the folder has `bert_config.json` and the checkpoint `bert_model.ckpt`;
2. open: `open_checkpoint` reads the names and shapes of the variables;
3. dialect and network: the names are Google's names of BERT;
4. config: the keys of `bert_config.json` are translated to our names, checked, and compared with the shapes.
"""

from __future__ import annotations

import os
from typing import Any, Callable, Dict, List, Mapping, Tuple

import numpy as np

from .checkpoints import CheckpointError, open_checkpoint
from .checkpoints.opening import locate
from .config_files import read_config, ready_configs
from .dialects import View
from .errors import ConfigError, short, shorten, warn_caller
from .fitting import Evidence, Fit
from .folders import configs_in
from .keys import DEFAULTS, FIXED, REQUIRED, understand, validate
from .measuring import contradictions, measure
from .networks.description import Network, untied
from .recognition import asked_network, of_model_type, recognise, recognised_dialect
from .registry import DEFAULT, network, networks

Candidates = List[Tuple[str, Dict[str, Any], int]]  # config files: path, contents, rank; the smallest rank is the best
STACKS = ("num_hidden_layers", "num_decoder_layers", "num_hidden_groups", "inner_group_num")
MORE_BLOCKS = 100  # a config with more than so many additional blocks is refused before any block is examined
IDENTIFYING = ("vocab_size", "hidden_size", "num_hidden_layers")


class Source:
    """Everything that is known about a network before it is built.

    Arguments:
        config_path: an argument of `build_transformer_model`.
        checkpoint_path: an argument of `build_transformer_model`. If config_path is a folder and this is None, the
            checkpoint is looked for in the folder.
        model: str, class, `Network` or None. The value of `model=`; None and "auto" recognise the network.
        given: dict or None. The keyword arguments of the call, which replace the keys of the config file.
        look_beside: bool. Whether a config is looked for in the checkpoint's folder if none is given.
        patient: bool. Whether problems are collected, as `b4k3 inspect` shows them, instead of raised.
        application: str. An argument of `build_transformer_model`. A language model has its head without being asked.

    Attributes:
        checkpoint: `Checkpoint`, or None without one.
        view: `View` of the checkpoint under canonical names, or None.
        network: `Network`, or None if it is not recognised.
        file_config: dict. The config as the file has it.
        where: str or None. The path of the config file, or words that name another source.
        config: dict under our names. The file's config, completed from names and shapes, without the caller's
            arguments.
        given: dict. The caller's arguments under our names.
        sizes: dict. The sizes that follow from the shapes in the checkpoint.
        spelled: dict from our name of a key to its name in the file.
        unknown_keys: list of str. The keys of the file that nobody knows.
        notes: list of str. What was found out.
        problems: list of str. The reasons why the model cannot be built.

    Raises:
        ConfigError: the network is not recognised, or the configuration cannot be right; not if `patient`.
        CheckpointError: the checkpoint cannot be read, or fits no network.
        FileNotFoundError: a path does not exist.

    Example:
        >>> from b4k3.models.source import Source
        >>> config = {"vocab_size": 20, "type_vocab_size": 2, "num_hidden_layers": 2}
        >>> source = Source(config, model="bert")
        >>> source.network, source.config["segment_vocab_size"]
        (<Network bert>, 2)
    """

    def __init__(
        self,
        config_path: str | os.PathLike[str] | dict[str, Any] | None = None,
        checkpoint_path: str | os.PathLike[str] | Mapping[str, Any] | None = None,
        model: str | type | Network | None = None,
        given: dict[str, Any] | None = None,
        look_beside: bool = False,
        patient: bool = False,
        application: str = "encoder",
    ) -> None:
        self.notes: list[str] = []
        self.problems: list[str] = []
        self.warned: list[str] = []
        self.arguments_given = dict(given or {})
        self.given: dict[str, Any] = {}
        self.checkpoint: Any = None
        self.view: View | None = None
        self.network: Network | None = None
        self.file_config: dict[str, Any] = {}
        self.where: str | None = None
        self.config: dict[str, Any] = {}
        self.sizes: dict[str, int] = {}
        self.spelled: dict[str, str] = {}
        self.unknown_keys: list[str] = []
        self._candidates: Candidates = []
        self._patient, self._all_parts = patient, look_beside or application != "encoder"
        self._locate(config_path, checkpoint_path, look_beside)
        self.configured = self._step(self._recognise, model) and self._step(self._configure)

    def _step(self, step: Callable[..., None], *arguments: Any) -> bool:
        """Take one step and return whether it succeeded. A patient source collects the error."""
        if not self._patient:
            step(*arguments)
            return True
        try:
            step(*arguments)
            return True
        except (ConfigError, CheckpointError, FileNotFoundError) as e:
            self.problems.append(str(e))
            return False

    # ------------------------------------------------------------------------------------------ locate and open

    def _locate(self, config_path: Any, checkpoint_path: Any, look_beside: bool) -> None:
        """Find and open the checkpoint, and find the files that may be its configuration."""
        folder = None
        if config_path is not None and not isinstance(config_path, dict) and os.path.isdir(os.fspath(config_path)):
            folder = os.fspath(config_path)
        if folder is not None and checkpoint_path is None:
            checkpoint_path = locate(folder)[1]
        self.from_folder = folder is not None
        if checkpoint_path is not None:
            self.checkpoint = open_checkpoint(checkpoint_path)
        named = isinstance(checkpoint_path, (str, os.PathLike))
        self.path: Any = os.fspath(checkpoint_path) if named else getattr(self.checkpoint, "path", None)
        self.folder = folder or (folder_of(self.path) if named else ".")
        if look_beside and config_path is None and named:
            folder = self.folder
        if folder is not None:
            self._step(self._read_folder, folder)
        elif isinstance(config_path, dict):
            self._candidates = [("the call", dict(config_path), 0)]
        elif config_path is not None:
            self._step(self._read_file, os.fspath(config_path))

    def _read_folder(self, folder: str) -> None:
        self._candidates = list(configs_in(folder))

    def _read_file(self, path: str) -> None:
        self._candidates = [(path, read_config(path), 0)]

    # -------------------------------------------------------------------------------------- dialect and network

    def _recognise(self, asked: Any) -> None:
        """Find the network, and the dialect in which the checkpoint is read."""
        model_type = self._model_type()
        where = self._candidates[0][0] if self._candidates else "the call"
        by_default = asked is None and model_type is None and not self.from_folder
        named = asked not in (None, "auto")
        if named or by_default:
            config = dict(self._candidates[0][1] if self._candidates else {}, **self.arguments_given)
            pool = [asked_network(asked if named else DEFAULT, model_type, self.checkpoint, where, config)]
        elif model_type is not None:
            pool = of_model_type(model_type, where)
        elif self.checkpoint is None:
            raise ConfigError("model='auto' needs a checkpoint, or a config that says model_type")
        else:
            pool = networks()
        if self.checkpoint is None:
            self.network = pool[0]
            if not named and not by_default:
                self.notes.append(f"recognised as model={pool[0].name!r}")
            return
        dialect = recognised_dialect(self.checkpoint)
        if dialect is not None and named:  # `b4k3 inspect` shows these even if nothing fits
            self.network, self.view = pool[0], View(self.checkpoint, dialect.for_network(pool[0]))

        def evidence(fit: Fit) -> Evidence:
            """Collect what is known about the checkpoint if it is of the network of this fit."""
            return Evidence(fit.view, self._seen(fit), model_type, named, self._place())

        partial = bool(self.arguments_given.get("ignore_invalid_weights"))
        found = recognise(self.checkpoint, pool, evidence, partial)
        self.network, self.view = found.network, found.view
        if not named and not by_default:
            self.notes.append(f"recognised as model={self.network.name!r}")
        for said in found.notes:
            if getattr(self.view.checkpoint, "guessed", False):
                self._warn(f"{self.checkpoint.path}: {said}")
            else:
                self.notes.append(said)
        if self.network.doubt is not None:
            said = self.network.doubt(evidence(found.fit))
            if said is not None:
                self._warn(f"{self.checkpoint.path}: {said}")

    def _model_type(self) -> Any:
        """Return the model_type that the call or the configuration gives; None if neither does."""
        if "model_type" in self.arguments_given:
            return self.arguments_given["model_type"]
        ranks = [rank for _, _, rank in self._candidates]
        types = [
            config["model_type"]
            for _, config, rank in self._candidates
            if rank == min(ranks) and config.get("model_type") is not None
        ]
        return types[0] if types else None

    def _seen(self, fit: Fit) -> dict[str, Any]:
        """Read the configuration as the network of a fit does, for `Evidence`; {} if the network refuses it."""
        try:
            words = fit.network.files
            others = [c for c in self._candidates if not any(word in os.path.basename(c[0]) for word in words)]
            chosen = candidates_for(fit.network, others or self._candidates)
            values = understand(fit.network, chosen[0][1], chosen[0][0]).values if chosen else {}
            return dict(values, **understand(fit.network, self.arguments_given, "the call", True).values)
        except ConfigError:
            return {}

    def _place(self) -> str:
        """Return the path of the checkpoint, because the names of files and folders count as evidence."""
        return "the checkpoint" if self.checkpoint.format == "dict" else os.path.abspath(self.checkpoint.path)

    def _warn(self, sentence: str) -> None:
        """Add a sentence to the notes and to the warnings that `warn` gives later."""
        sentence = shorten(sentence)
        self.notes.append(sentence)
        self.warned.append(sentence)

    # --------------------------------------------------------------------------------------------------- config

    def _configure(self) -> None:
        """Choose the configuration, understand its keys, and complete it from names and shapes."""
        assert self.network is not None
        if self.view is not None:
            self.sizes = measure(self.network, self.view)
        self._step(self._choose)
        where = self.where or (self.checkpoint.path if self.checkpoint is not None else "the call")
        insisted = set(FIXED) | set(self.network.fixed)
        insisted = {key: value for key, value in self.arguments_given.items() if key in insisted}
        read = dict(self.file_config, **insisted)
        if self.arguments_given.get("hidden_act") is not None:
            read = {key: value for key, value in read.items() if key not in self.network.activation_keys}
        found = understand(self.network, read, where)
        self.config, self.spelled, self.unknown_keys = found.values, found.spelled, found.unknown
        call = understand(self.network, self.arguments_given, "the call", from_call=True)
        others = {key: self.arguments_given[key] for key in call.unknown if key not in insisted and key != "model_type"}
        self.given = {key: value for key, value in call.values.items() if value is not None or key in REQUIRED}
        self.given.update(others)
        self.spelled.update(call.spelled)
        if self.view is not None:
            self._complete(self.view)
        if self.config.get("hidden_act") is None and self.network.default_activation is not None:
            self.config["hidden_act"] = self.network.default_activation
        if self.unknown_keys and self.file_config:
            shown = ", ".join(self.unknown_keys[:20])
            self._warn(f"{where}: b4k3 does not know {shown}: if a key changes the network, the outputs are wrong")
        if self._patient:
            self._examine(where)

    def _choose(self) -> None:
        """Choose the config file that is for this network and agrees with the checkpoint."""
        assert self.network is not None
        found = candidates_for(self.network, self._candidates)
        if len(found) > 1 and self.view is not None:
            fitting = []
            for candidate in found:
                values = understand(self.network, candidate[1], candidate[0]).values
                if not contradictions(values, self.sizes):
                    fitting.append(candidate)
            found = fitting
        if len(found) > 1:
            names = ", ".join(os.path.basename(path) for path, _, _ in found)
            raise ConfigError(f"{self.folder}: several configs fit the checkpoint ({names}); name one as config_path")
        for path, config, _ in found:
            self.file_config, self.where = config, path

    @property
    def known(self) -> dict[str, Any]:
        """Return the values of the config file and of the call, under our names. The call wins."""
        return dict(self.config, **self.given)

    def _complete(self, view: View) -> None:
        """Add to the configuration what it lacks and the checkpoint determines, if the two agree otherwise."""
        of = self.network
        assert of is not None
        if of.huggingface is not None and view.dialect.family == "huggingface" and self.file_config:
            for key, value in of.huggingface.defaults.items():
                if self.config.get(key) is None and key not in self.sizes:
                    self.config[key] = of.activation("hidden_act", value) if key == "hidden_act" else value
        correct = view.dialect.corrections(self.known)
        self.config.update({key: value for key, value in correct.items() if value is not None})
        for key, template in of.marks.items():
            present = any(entry is not None and entry[2].name == template for entry in map(of.find, view.keys()))
            if present and self.known.get(key) is None:
                self.config[key] = True
        self._decide_tying(view)
        self._decide_parts(view)
        if contradictions(self.known, self.sizes):
            self._warn_of_blocks()
            return  # the caller wants a network of other sizes: loading will resize or refuse
        found = {key: size for key, size in self.sizes.items() if self.known.get(key) is None}
        if not self.file_config:
            self.where = f"the shapes in {view.checkpoint.path}"
            name, config = released(of, dict(self.known, **found))
            if name is not None:
                self.where = f"the ready config {name}"
                self.notes.append(f"the sizes fit the ready config {name}, which is used")
            known = dict(self.known, **found)
            found.update({key: value for key, value in config.items() if known.get(key) is None})
        self.config.update(found)
        if found and not self.file_config:
            derived = ", ".join(f"{key}={value}" for key, value in sorted(found.items()))
            self.notes.append(f"there is no config; from the checkpoint: {derived}")

    def _warn_of_blocks(self) -> None:
        """Warn if a config file has fewer blocks than the checkpoint: this is more often a mistake than intended."""
        for key in STACKS:
            said, found = self.config.get(key), self.sizes.get(key)
            if key not in self.given and isinstance(said, int) and found is not None and said < found:
                self._warn(
                    f"{self.where} says {self.spelled.get(key, key)}={said}, the checkpoint has {found}: "
                    f"only the first {said} are built; say {key}={found} for all"
                )

    def _decide_tying(self, view: View) -> None:
        """Decide whether the output is tied to the token embeddings: by the call, else by the numbers in the file.

        A config does not decide it. transformers 5 writes a `tie_word_embeddings` for T5 that may be wrong, and its
        versions differ in whether an output that differs from the embeddings is tied. So the two matrices are compared.
        """
        of, said = self.network, self.known.get("tie_word_embeddings")
        assert of is not None
        if "tie_word_embeddings" in self.given:
            return
        copies = {
            name: copy
            for part, layer, _ in of.variables()
            if layer.when is untied
            and (self._all_parts or part.on or not part.argument or self.known.get(part.argument))
            for name, copy in layer.copies.items()
        }
        matrices = [name for name in copies if name in view]
        matrix = [name for name in matrices if not name.endswith("/bias")]
        if matrix:
            differs = any(differ(view, name, copies[name]) for name in matrices if copies[name] in view)
            differs = differs or any(copies[name] not in view for name in matrix)
            if differs == of.settings.get("tie_word_embeddings", True) or said is not None:
                self.config["tie_word_embeddings"] = said if said is False else not differs
            if differs and said is True:
                self._warn(
                    f"{view.checkpoint.path}: {self.spelled.get('tie_word_embeddings', 'tie_word_embeddings')} is "
                    "true, but the output in the file differs from the token embeddings: it is loaded as it is; "
                    "tie_word_embeddings=True ties it"
                )

    def _decide_parts(self, view: View) -> None:
        """Leave out a part that is added by default and that the file does not have, and note it."""
        of = self.network
        assert of is not None
        for part in of.heads:
            if part.argument is None or not part.on or self.known.get(part.argument) is not None:
                continue
            sizes = of.derive(self.known)
            wanted = [v for layer in part.layers if layer.exists(sizes) for v in layer.variables_of(sizes)]
            if wanted and not any(v.name in view for v in wanted):
                self.config[part.argument] = False
                self.notes.append(f"the file has no {part.name}: built with {part.argument}=False")

    # -------------------------------------------------------------------------------------------------- verdict

    def _examine(self, where: str) -> None:
        """Collect the problems that a build would refuse."""
        for key in contradictions(self.known, self.sizes):
            said = self.known[key]
            if key in STACKS and isinstance(said, int) and said < self.sizes[key]:
                continue  # the first blocks are built
            named = self.spelled.get(key, key)
            self.problems.append(f"{self.where} says {named}={short(said)}, the shapes say {self.sizes[key]}")
        complete = dict(DEFAULTS, **self.known)
        missing = [key for key in REQUIRED if complete.get(key) is None]
        if missing:
            self.problems.append(f"neither a config nor the shapes say {', '.join(missing)}")
            return
        try:
            validate(complete, where, self.spelled)
        except ConfigError as e:
            self.problems.append(str(e))

    def warn(self) -> None:
        """Give the warnings: reasons why the numbers may differ from what the caller expects."""
        for sentence in self.warned:
            warn_caller(sentence)

    @property
    def config_file(self) -> str | None:
        """Return the path of the config file, or of the file that could not be understood; None if there is none."""
        if self.file_config or not self._candidates:
            return self.where if self.file_config else None
        return self._candidates[0][0]

    @property
    def model(self) -> str | None:
        """Return the name of the network for `model=`."""
        return None if self.network is None else self.network.name

    @property
    def all_sizes(self) -> dict[str, Any]:
        """Return the configuration with the defaults of bert4keras and the sizes that follow from others."""
        assert self.network is not None
        return self.network.derive(dict(DEFAULTS, **self.known))


def wrong_direction(config: dict[str, Any], application: str, of: Network, where: str) -> str | None:
    """Check whether the configuration of a decoder is used for an encoder.

    Arguments:
        config: dict under our names.
        application: str. The argument of `build_transformer_model`.
        of: `Network`.
        where: str. The source of the configuration, for the message.

    Returns:
        str, an error message; None if there is no contradiction.
    """
    if not config.get("is_decoder") or of.generates or application == "lm":
        return None
    return (
        f"{where}: is_decoder is true: each position sees only the positions before it. Build it with "
        "application='lm', or insist on an encoder with is_decoder=False"
    )


def folder_of(path: str) -> str:
    """Find the folder of a checkpoint.

    Arguments:
        path: str. The path of the checkpoint.

    Returns:
        str: the path itself if it is a folder, otherwise the folder that the file or prefix is in.
    """
    return path if os.path.isdir(path) else os.path.dirname(path) or "."


def candidates_for(of: Network, candidates: Candidates) -> Candidates:
    """Choose the config files in a folder that may be for a network.

    Arguments:
        of: `Network`.
        candidates: list of (path, contents, rank). The config files in the folder.

    Returns:
        The candidates of the best rank whose names contain a word of this network, or no word of another one.
    """
    words = marking_words(of)
    marked = [c for c in candidates if any(word in os.path.basename(c[0]) for word in words)]
    if of.files:
        chosen = marked or candidates
    else:
        chosen = [c for c in candidates if c not in marked] or candidates
    best = min([rank for _, _, rank in chosen] or [0])
    return [candidate for candidate in chosen if candidate[2] == best]


def marking_words(of: Network) -> list[str]:
    """List the words in the names of config files that tell networks in the same folder apart.

    Arguments:
        of: `Network`.

    Returns:
        list of str: the words of this network, for example "generator"; or if it has none, the words of the networks
        that may be in the same folder.
    """
    if of.files:
        return list(of.files)
    return [word for name in of.beside for word in network(name).files]


def differ(view: View, first: str, second: str) -> bool:
    """Tell whether two variables of a checkpoint differ. A matrix and its transpose count as equal.

    Arguments:
        view: `View` of the checkpoint.
        first: str. The canonical name of one variable.
        second: str. The canonical name of the other variable.

    Returns:
        bool.
    """
    one, other = (np.asarray(view.dialect.read(view.checkpoint, name)[0]) for name in (first, second))
    if one.shape != other.shape:
        other = other.T
    return one.shape != other.shape or not np.array_equal(one, other)


def released(of: Network, sized: dict[str, Any]) -> tuple[str | None, dict[str, Any]]:
    """Find the ready config of b4k3 with given sizes.

    Arguments:
        of: `Network`.
        sized: dict under our names. The sizes that are known from the shapes and the call.

    Returns:
        (the name of the config, its contents under our names); (None, {}) unless exactly one config fits.
    """
    fitting = []
    for name, path in ready_configs().items():
        config = read_config(path)
        if config.get("model_type") == of.name:
            values = understand(of, config, path).values
            if not contradictions(sized, values) and all(sized.get(key) == values[key] for key in IDENTIFYING):
                fitting.append((name, values))
    return fitting[0] if len(fitting) == 1 else (None, {})
