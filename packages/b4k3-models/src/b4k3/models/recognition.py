"""What `build_transformer_model` was given, completed: files from a folder, the architecture, sizes from shapes."""

from __future__ import annotations

import os

from .checkpoints.opening import locate, open_checkpoint
from .config import ConfigError, read_config, ready_configs, with_aliases
from .detect import contradictions, doubts, recognise, sizes
from .loading import open_view
from .registry import architecture

IDENTIFYING = ("vocab_size", "hidden_size", "num_hidden_layers")


class DefaultModel(str):
    """A default of `model=`, told apart from the same value that a caller gave."""


class Request:
    """What is to be built.

    Arguments:
        config_path: path, dict, name of a ready config, folder, or None.
        checkpoint_path: path, dict from name to array, or None; in a folder given as config_path it is found.
        model: name or class; 'auto', or a `DefaultModel` with a folder, is recognised.

    Attributes:
        cls: the architecture.
        config: dict from the file, completed from names and shapes; the caller's own arguments are not in it.
        from_file: set of the keys that the file has.
        checkpoint: path or dict, or None.
        opened: `Checkpoint` of it, or None.
        where: str, what the configuration is from.
        notes: list of str, what was found out.
    """

    def __init__(self, config_path, checkpoint_path, model, given):
        self.notes = []
        self.checkpoint = checkpoint_path
        folder = as_folder(config_path)
        if folder is not None and checkpoint_path is None:
            self.checkpoint = locate(folder)[1]
        auto = model == "auto" or (folder is not None and isinstance(model, DefaultModel))
        cls = None if auto else architecture(model)
        self.opened = None if self.checkpoint is None else open_checkpoint(self.checkpoint)
        view = None if self.opened is None else open_view(self.opened, getattr(cls, "model_key", None))
        if folder is not None:
            self.config, self.where = config_of_folder(folder, view, getattr(cls, "model_key", None))
        else:
            self.config = {} if config_path is None else read_config(config_path)
            self.where = "the call" if config_path is None or isinstance(config_path, dict) else str(config_path)
        self.from_file = set(self.config)
        if auto:
            cls = self.recognised(view, given)
        self.cls = cls
        if view is not None:
            view = open_view(self.opened, cls.model_key)
            self.complete(view, given)
            self.notes += doubts(view, cls.model_key, self.near(view))

    def recognised(self, view, given):
        """The class that the file is of."""
        if view is None:
            model = self.config.get("model_type")
            if model is None:
                raise ConfigError("model='auto' needs a checkpoint, or a config that says model_type")
        else:
            model = recognise(view, dict(with_aliases(self.config), **with_aliases(given)), self.near(view))
        self.notes.append("recognised as model=%r" % str(model))
        return architecture(model)

    def near(self, view):
        """The names of the checkpoint and of its folder."""
        if not isinstance(self.checkpoint, (str, os.PathLike)):
            return "the checkpoint"
        return os.sep.join(os.path.abspath(view.checkpoint.path).split(os.sep)[-2:])

    def complete(self, view, given):
        """Fill in what the configuration does not say and the checkpoint determines, where the two agree."""
        correct = view.dialect.corrections(dict(self.config, **given))
        self.config.update({key: value for key, value in correct.items() if value is not None})
        model = self.cls.model_key
        known = dict(with_aliases(self.config), **with_aliases(given))
        found = sizes(view, model)
        if contradictions(known, found):
            return  # another network is asked for: loading will resize or refuse
        found = {key: size for key, size in found.items() if known.get(key) is None}
        if not self.from_file:
            self.where = "the shapes in %s" % view.checkpoint.path
            name, config = released(model, dict(known, **found))
            if name is not None:
                self.where = "the ready config %s" % name
                self.notes.append("the sizes are those of %s, whose ready config is used" % name)
            found.update({key: value for key, value in config.items() if dict(known, **found).get(key) is None})
        self.config.update(found)
        if found and not self.from_file:
            derived = ", ".join("%s=%s" % pair for pair in sorted(found.items()))
            self.notes.append("there is no config; from the checkpoint: %s" % derived)


def released(model, sized):
    """The only ready config with these sizes.

    Arguments:
        model: the architecture, by its `model=`.
        sized: dict of what is known, from shapes and the call.

    Returns:
        (its name, dict); (None, {}) if there is none, or several.
    """
    fitting = []
    for name, path in ready_configs().items():
        config = with_aliases(read_config(path))
        if config.pop("model_type") == model and not contradictions(sized, config):
            if all(sized.get(key) == config[key] for key in IDENTIFYING):
                fitting.append((name, config))
    return fitting[0] if len(fitting) == 1 else (None, {})


def as_folder(path):
    """The path if it is a folder, else None."""
    if path is None or isinstance(path, dict):
        return None
    path = os.fspath(path)
    return path if os.path.isdir(path) else None


def config_of_folder(folder, view, model):
    """The configuration in a folder that agrees with the checkpoint.

    Arguments:
        folder: str.
        view: `View` of the checkpoint.
        model: the architecture, or None where it is not known yet.

    Returns:
        (dict, what it is from); ({}, the folder) if there is none.

    Raises:
        ConfigError: several, between which nothing decides.
    """
    found = {}
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if name.endswith((".json", ".gin")) and os.path.getsize(path) < 1 << 20 and is_config(path):
            found[path] = read_config(path)
    generators = {path for path in found if "generator" in os.path.basename(path)}
    wanted = generators if model == "electra_generator" else set(found) - generators
    found = {path: found[path] for path in found if path in wanted or not wanted}
    if any(path.endswith(".json") for path in found):  # what T5's authors published counts where there is nothing else
        found = {path: config for path, config in found.items() if path.endswith(".json")}
    if len(found) > 1:
        sized = sizes(view, model)
        fitting = [path for path in found if not contradictions(with_aliases(found[path]), sized)]
        found = {path: found[path] for path in fitting}
    if len(found) > 1:
        names = ", ".join(os.path.basename(path) for path in found)
        raise ConfigError("%s: several configs fit the checkpoint (%s); name one as config_path" % (folder, names))
    for path, config in found.items():
        return config, path
    return {}, folder


def is_config(path):
    """Whether a JSON file is a model's configuration; one that cannot be read is, if it is called so."""
    try:
        config = read_config(path)
    except ConfigError:
        if "config" in os.path.basename(path):
            raise
        return False
    known = "vocab_size" in config or path.endswith(".gin")  # the vocabulary of a T5 is not in its gin file
    return known and any(key in config for key in ("hidden_size", "d_model", "n_embd"))
