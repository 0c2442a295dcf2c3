"""From a configuration and a checkpoint to a model. Knows no architecture."""

from __future__ import annotations

import inspect

from .config import ALIAS_NAMES, ConfigError, merge, refuse_unknown, validate
from .masks import extend_with_language_model, extend_with_unified_language_model
from .recognition import DefaultModel, Request
from .t5_versions import published_activation

APPLICATIONS = {
    "encoder": None,
    "lm": extend_with_language_model,
    "unilm": extend_with_unified_language_model,
}


def accepted_arguments(cls):
    """Names that the constructors of a class and its bases, and their `build`, take."""
    names = set()
    for base in cls.__mro__:
        for method in ("__init__", "build"):
            if method in vars(base) and base is not object:
                for name, parameter in inspect.signature(vars(base)[method]).parameters.items():
                    if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY) and name != "self":
                        names.add(name)
    return names


def with_application(cls, application):
    """The class, made a language model where `application` says so."""
    if application not in APPLICATIONS:
        raise ConfigError("application=%r, expected one of %s" % (application, ", ".join(map(repr, APPLICATIONS))))
    if application not in getattr(cls, "applications", APPLICATIONS):
        raise ConfigError("application=%r is not possible with %s" % (application, cls.__name__))
    extend = APPLICATIONS[application]
    return cls if extend is None else extend(cls)


def build_transformer_model(
    config_path=None,
    checkpoint_path=None,
    model=DefaultModel("bert"),  # noqa: B008 (a constant)
    application="encoder",
    return_keras_model=True,
    **kwargs,
):
    """Build a pretrained model, or an untrained one without a checkpoint.

    Arguments:
        config_path: a JSON file, a dict, or a name of `ready_configs`; None if keyword arguments and the shapes in the
            checkpoint say everything; or a folder, in which config and checkpoint are found and, unless model= is
            given, the architecture is recognised.
        checkpoint_path: what `open_checkpoint` opens: the prefix of a TensorFlow checkpoint, a safetensors file, a
            folder, …; or a dict from variable name to array. None leaves the weights random.
        model: the name of an architecture, a subclass of `Transformer`, or 'auto': recognised by variables and shapes.
        application: 'encoder'; 'lm', where position i sees the positions up to i; 'unilm', where the second segment is
            generated from the first.
        return_keras_model: whether to return the Keras model alone, or the Transformer object that holds it as
            `.model`, with `.inputs`, `.outputs`, `.layers` and `.load_report`.
        kwargs: arguments of the architecture; they win over the config file.

    Returns:
        A Keras model, or a `Transformer`. Its inputs are float32 tensors of ids [batch, n].

    Raises:
        ConfigError: a keyword that nobody reads, a name that is not known, a configuration that cannot be right.
        CheckpointError: the checkpoint does not have what the model needs; it lists everything and says what fits.
        FileNotFoundError: a path is not there.
    """
    request = Request(config_path, checkpoint_path, model, kwargs)
    cls = with_application(request.cls, application)
    accepted = accepted_arguments(cls)
    refuse_unknown(kwargs, accepted | ALIAS_NAMES, "build_transformer_model with %s" % cls.__name__)
    config = merge(request.config, kwargs)
    if kwargs.get("hidden_act") is None:
        config["hidden_act"] = published_activation(cls.model_key, config.get("hidden_act"))
    validate(config, request.where)
    arguments = {key: value for key, value in config.items() if key in accepted}
    transformer = cls(**arguments)
    transformer.ignored_config_keys = sorted(request.from_file - accepted - ALIAS_NAMES)
    if request.opened is not None:
        transformer.expect_checkpoint(request.opened)
    transformer.build(**arguments)
    if request.opened is not None:
        transformer.load_weights_from_checkpoint(request.opened)
        transformer.load_report.notes[:0] = request.notes
    return transformer.model if return_keras_model else transformer
