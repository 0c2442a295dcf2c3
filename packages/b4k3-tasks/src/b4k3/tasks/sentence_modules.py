"""Read what a folder of sentence-transformers says about its vectors: pooling, Dense layers, prompts and lengths.

A folder of sentence-transformers has a `modules.json`, which lists the steps from text to vector:

    [{"idx": 0, "path": "",            "type": "sentence_transformers.models.Transformer"},
     {"idx": 1, "path": "1_Pooling",   "type": "sentence_transformers.models.Pooling"},
     {"idx": 2, "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}]

Each path is a folder with the config of the step, and with its weights if it has some. Nothing here needs a Keras.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Mapping, NamedTuple, Sequence, Union

from b4k3.models import ConfigError
from b4k3.models.checkpoints import open_checkpoint
from b4k3.models.checkpoints._files import open_regular
from b4k3.models.checkpoints._json import JSONError, parse_json

if TYPE_CHECKING:
    import numpy as np

MODULES = "modules.json"
GENERAL = "config_sentence_transformers.json"
MAX_JSON = 16 << 20  # bytes of a file of JSON
TRANSFORMER_CONFIGS = tuple(
    f"sentence_{name}_config.json"
    for name in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
# The class of an activation in torch -> our name
ACTIVATIONS = {
    "Identity": "linear",
    "Tanh": "tanh",
    "ReLU": "relu",
    "GELU": "gelu_erf",
    "SiLU": "swish",
    "Sigmoid": "sigmoid",
}
# Old key of a pooling config -> mode, in the order in which the vectors are joined
OLD_MODES = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
SIMILARITIES = ("cosine", "dot", "euclidean", "manhattan")
SAME = (None, "sentence_embedding")  # the values of module_input_name that mean the vector of the text


class DenseStep(NamedTuple):
    """A Dense layer on the vector of a text.

    Attributes:
        kernel: float, [inputs, outputs].
        bias: float, [outputs], or None.
        activation: str. A name of ours.

    Example:
        >>> from b4k3.tasks.sentence_modules import DenseStep
        >>> DenseStep(np.ones((3, 2)), None, "tanh").activation
        'tanh'
    """

    kernel: np.ndarray
    bias: np.ndarray | None
    activation: str


class NormStep(NamedTuple):
    """A layer normalisation of the vector of a text, with the epsilon 1e-5.

    Attributes:
        gamma: float, [d].
        beta: float, [d].

    Example:
        >>> from b4k3.tasks.sentence_modules import NormStep
        >>> NormStep(np.ones(3), np.zeros(3)).beta.shape
        (3,)
    """

    gamma: np.ndarray
    beta: np.ndarray


class UnitStep(NamedTuple):
    """The division of a vector by its length.

    Example:
        >>> from b4k3.tasks.sentence_modules import UnitStep
        >>> UnitStep()
        UnitStep()
    """


Step = Union[DenseStep, NormStep, UnitStep]


class SentenceModules(NamedTuple):
    """What a folder says about its vectors.

    Attributes:
        body: str. The folder of the network.
        modes: tuple of str. The modes of `SequencePooling`.
        steps: tuple of `DenseStep`, `NormStep` and `UnitStep`, which follow on the pooling.
        include_prompt: bool. Whether the tokens of a prompt are pooled too.
        maxlen: int or None. The number of tokens at which texts are cut; None if the folder does not say it.
        lowercase: bool. Whether texts are lower-cased before they are tokenized.
        prompts: dict from a name to the text that is put before each text.
        default_prompt: str or None. The name of the prompt that is used if none is asked for.
        similarity: str. How vectors are compared, one of `SIMILARITIES`.

    Example:
        >>> from b4k3.tasks.sentence_modules import SentenceModules
        >>> SentenceModules("folder", ("mean",)).similarity
        'cosine'
    """

    body: str
    modes: tuple[str, ...]
    steps: tuple[Step, ...] = ()
    include_prompt: bool = True
    maxlen: int | None = None
    lowercase: bool = False
    prompts: Mapping[str, str] = {}
    default_prompt: str | None = None
    similarity: str = "cosine"


def read_modules(folder: str) -> SentenceModules | None:
    """Read a folder of sentence-transformers.

    Arguments:
        folder: str.

    Returns:
        `SentenceModules`; None if the folder has no `modules.json`.

    Raises:
        ConfigError: a file cannot be read, or it has a module, a mode, an activation or a setting that is not
            implemented. The message names the file and the key.
        CheckpointError: the weights of a module cannot be read.
    """
    path = os.path.join(folder, MODULES)
    if not os.path.lexists(path):
        return None
    listed = read_json(path, list)
    kinds = [_kind(path, entry) for entry in listed]
    if kinds[:2] != ["Transformer", "Pooling"]:
        raise ConfigError(f"{path}: expected a Transformer and a Pooling first, found {', '.join(kinds) or 'nothing'}")
    folders = [_inside(path, folder, entry) for entry in listed]
    settings = _transformer_settings(folders[0])
    modes, include_prompt = _pooling(folders[1])
    steps = [step for kind, place in zip(kinds[2:], folders[2:]) for step in _steps(path, kind, place)]
    return SentenceModules(
        folders[0], modes, tuple(steps), include_prompt, **settings, **_general(os.path.join(folder, GENERAL))
    )


def read_json(path: str, kind: type, missing: Any = None) -> Any:
    """Read a JSON file.

    Arguments:
        path: str. The file.
        kind: type. The expected type, dict or list.
        missing: what is returned if there is no file; None means that there must be one.

    Returns:
        dict or list.

    Raises:
        ConfigError: the file is no regular file, no JSON, too large, or of another type.
        FileNotFoundError: there is no file.
    """
    if missing is not None and not os.path.lexists(path):
        return missing
    with open_regular(path, ConfigError) as file:
        data = file.read(MAX_JSON + 1)
    try:
        value = parse_json(data) if len(data) <= MAX_JSON else None
    except JSONError as error:
        raise ConfigError(f"{path}: {error}") from None
    if not isinstance(value, kind):
        raise ConfigError(f"{path}: expected a JSON {'list' if kind is list else 'object'} of at most {MAX_JSON} bytes")
    return value


def _kind(path: str, entry: Any) -> str:
    """Return the kind of a module, 'Pooling' for example."""
    said = entry.get("type") if isinstance(entry, dict) else None
    if not isinstance(said, str) or not said.startswith("sentence_transformers."):
        raise ConfigError(f"{path}: {said!r} is no module of sentence-transformers; code of a repository is not run")
    return said.rpartition(".")[2]


def _inside(path: str, folder: str, entry: Mapping[str, Any]) -> str:
    """Return the folder of a module, which must be in the folder of the model."""
    said = entry.get("path", "")
    parts = said.replace("\\", "/").split("/") if isinstance(said, str) else [".."]
    if ".." in parts or os.path.isabs(str(said)):
        raise ConfigError(f"{path}: path {said!r} is not within the folder")
    return os.path.join(folder, said) if said else folder


def _refuse_others(path: str, config: Mapping[str, Any], known: Sequence[str]) -> None:
    """Raise ConfigError if a config has a key that is not known and that says something."""
    for key, value in config.items():
        if key not in known and value not in (None, {}):
            raise ConfigError(f"{path}: {key}={value!r} is not implemented")


def _transformer_settings(folder: str) -> dict[str, Any]:
    """Return the settings of the first module: `maxlen` and `lowercase`."""
    paths = [os.path.join(folder, name) for name in TRANSFORMER_CONFIGS]
    path = next((path for path in paths if os.path.lexists(path)), paths[0])
    config = read_json(path, dict, {})
    ways = {key: value for key, value in (config.get("modality_config") or {}).items() if key == "text"}
    usual = {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}
    for key, expected, value in (
        ("transformer_task", "feature-extraction", config.get("transformer_task")),
        ("module_output_name", "token_embeddings", config.get("module_output_name")),
        ("modality_config", usual, ways or None),
    ):
        if value not in (None, expected):
            raise ConfigError(f"{path}: {key}={value!r} is not implemented, expected {expected!r}")
    arguments = "tokenizer_args model_args config_args processor_kwargs model_kwargs config_kwargs unpad_inputs"
    known = f"max_seq_length do_lower_case transformer_task module_output_name modality_config {arguments}".split()
    _refuse_others(path, config, known)
    for key in ("tokenizer_args", "processor_kwargs", "processing_kwargs"):
        _refuse_others(f"{path}: {key}", config.get(key) or {}, ("model_max_length", "trust_remote_code"))
    maxlen = config.get("max_seq_length")
    if maxlen is not None and (isinstance(maxlen, bool) or not isinstance(maxlen, int) or maxlen < 1):
        raise ConfigError(f"{path}: max_seq_length={maxlen!r}, expected a whole number, 1 or more")
    return {"maxlen": maxlen, "lowercase": config.get("do_lower_case") is True}


def _pooling(folder: str) -> tuple[tuple[str, ...], bool]:
    """Return the modes of a pooling, and whether it includes the prompt."""
    path = os.path.join(folder, "config.json")
    config = read_json(path, dict)
    sizes = ("word_embedding_dimension", "embedding_dimension")
    _refuse_others(path, config, (*OLD_MODES, *sizes, "pooling_mode", "include_prompt"))
    said = config.get("pooling_mode")
    if said is None:
        said = [mode for key, mode in OLD_MODES.items() if config.get(key)] or "mean"
    modes = [said] if isinstance(said, str) else said
    for mode in modes if isinstance(modes, list) and modes else [modes]:
        if mode not in OLD_MODES.values():
            raise ConfigError(f"{path}: pooling_mode={mode!r}, expected one of {', '.join(OLD_MODES.values())}")
    return tuple(modes), config.get("include_prompt", True) is not False


def _steps(path: str, kind: str, folder: str) -> list[Step]:
    """Return what a module after the pooling does; a Dropout does nothing to a model that is not trained."""
    if kind == "Dropout":
        return []
    config_path = os.path.join(folder, "config.json")
    config = read_json(config_path, dict, {} if kind == "Normalize" else None)
    for key in ("module_input_name", "module_output_name"):
        if config.get(key) not in SAME:
            raise ConfigError(f"{config_path}: {key}={config[key]!r} is not implemented, expected {SAME[1]!r}")
    if kind == "Normalize":
        return [UnitStep()]
    if kind == "Dense":
        return [_dense(config_path, config, folder)]
    if kind == "LayerNorm":
        weights = _weights(folder)
        return [NormStep(_array(weights, "norm.weight", folder), _array(weights, "norm.bias", folder))]
    raise ConfigError(f"{path}: the module {kind} is not implemented")


def _dense(path: str, config: Mapping[str, Any], folder: str) -> DenseStep:
    """Return a Dense layer with its weights, which torch stores transposed."""
    sizes = ("in_features", "out_features", "bias", "activation_function", "module_input_name", "module_output_name")
    _refuse_others(path, config, sizes)
    said = config.get("activation_function", "torch.nn.modules.activation.Tanh")
    activation = ACTIVATIONS.get(str(said).rpartition(".")[2]) if str(said).startswith("torch.") else None
    if activation is None:
        known = ", ".join(ACTIVATIONS)
        raise ConfigError(f"{path}: activation_function={said!r} is not implemented, expected one of torch's {known}")
    weights = _weights(folder)
    kernel = _array(weights, "linear.weight", folder).T
    bias = None if config.get("bias") is False else _array(weights, "linear.bias", folder)
    wanted = (config.get("in_features"), config.get("out_features"))
    if wanted != kernel.shape:
        raise ConfigError(f"{path}: in_features and out_features are {wanted}, the matrix is {kernel.shape}")
    return DenseStep(kernel, bias, activation)


def _weights(folder: str) -> Any:
    """Open the weights of a module."""
    names = ("model.safetensors", "pytorch_model.bin")
    paths = [os.path.join(folder, name) for name in names]
    return open_checkpoint(next((path for path in paths if os.path.lexists(path)), paths[0]))


def _array(weights: Any, name: str, folder: str) -> np.ndarray:
    """Read an array, as float32."""
    if name not in weights:
        raise ConfigError(f"{folder}: there is no {name} among {', '.join(list(weights)[:5])}")
    return weights[name].astype("float32")


def _general(path: str) -> dict[str, Any]:
    """Return the settings of the whole: prompts and similarity."""
    config = read_json(path, dict, {})
    kind = config.get("model_type", "SentenceTransformer")
    if kind != "SentenceTransformer":
        raise ConfigError(f"{path}: model_type={kind!r} is not implemented, expected 'SentenceTransformer'")
    _refuse_others(
        path,
        config,
        ("__version__", "model_type", "prompts", "default_prompt_name", "similarity_fn_name"),
    )
    prompts = {name: text or "" for name, text in (config.get("prompts") or {}).items()}
    default, similarity = config.get("default_prompt_name"), config.get("similarity_fn_name") or "cosine"
    if not all(isinstance(text, str) for text in prompts.values()):
        raise ConfigError(f"{path}: prompts={prompts!r}, expected texts")
    if default is not None and default not in prompts:
        raise ConfigError(f"{path}: default_prompt_name={default!r}, and the prompts are {sorted(prompts)}")
    if similarity not in SIMILARITIES:
        raise ConfigError(f"{path}: similarity_fn_name={similarity!r}, expected one of {', '.join(SIMILARITIES)}")
    return {"prompts": prompts, "default_prompt": default, "similarity": similarity}
