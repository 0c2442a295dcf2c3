"""Find the head of a task in a folder, build it upon the network, and write it back under the names of transformers.

`head_descriptions.py` says which layers the head of each network has. A head goes three steps:

1. `find_head` looks for the variables of the head in the checkpoint, and for its labels in the config file. It refuses
   a folder without such a head, unless a new one is asked for.
2. `build_head` makes the Keras model from the network's inputs to the logits.
3. `head_variables` and `head_config` give what a file needs, so that transformers loads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Mapping, NamedTuple, Sequence

import numpy as np

from b4k3.backend import activations, keras
from b4k3.layers import FirstToken, LayerNormalization, SequencePooling
from b4k3.models import ConfigError
from b4k3.models.checkpoints import CheckpointError
from b4k3.models.cli.configs import huggingface_config
from b4k3.models.errors import short
from b4k3.models.loading import NOT_FLOATS
from b4k3.models.networks.description import spelled_activation
from b4k3.models.quantised import refuse_quantised
from b4k3.models.registry import network

from .head_descriptions import ENCODER, HIDDEN, LABELS, TASKS, Dense, Drop, Head, Norm, Said, head_of
from .token_picking import PickToken

if TYPE_CHECKING:
    from b4k3.models import Transformer
    from b4k3.models.cli.subject import Subject

SINGLE, MULTI, REGRESSION = "single_label_classification", "multi_label_classification", "regression"
PROBLEMS = (SINGLE, MULTI, REGRESSION)
FIXED_LABELS = {"QuestionAnswering": ["start", "end"], "MultipleChoice": ["score"]}
# Names of Google's fine-tuning scripts, run_classifier.py and run_squad.py; the matrix is [labels, hidden_size].
GOOGLE = {
    "QuestionAnswering": ("cls/squad/output_",),
    "SequenceClassification": ("output_", "loss/output_"),
    "TokenClassification": ("output_", "loss/output_"),
}
# Networks whose output is always the vocabulary -> the layer whose output the heads read
BODIES = {"gpt2": "Output-Norm", "gpt": "Transformer-{last}-FeedForward-Norm"}
# Keys that a class of transformers reads besides the keys of the network
TOKENS = ("bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id", "decoder_start_token_id")
START_OF_TWO_HALVES = {"bart": (2, 2)}  # of a config that does not say them: end token, first token of the decoder
START_OF_T5 = (1, 0)


class TaskHead(NamedTuple):
    """The head of a task for one folder.

    Attributes:
        task: str, from `TASKS`.
        head: `Head`. Its description.
        labels: list of str. The names of the labels, in the order of the logits.
        problem: str or None. The `problem_type` of the config file, from `PROBLEMS`.
        arrays: dict from the name of a variable in files of transformers to its array, or None for a new head.
        settings: dict. The keys of the config file.
        class_name: str. The name of the class of transformers.

    Example:
        >>> from b4k3.tasks.heads import TaskHead
        >>> TaskHead._fields[:3]
        ('task', 'head', 'labels')
    """

    task: str
    head: Head
    labels: list[str]
    problem: str | None
    arrays: Mapping[str, np.ndarray] | None
    settings: Mapping[str, Any]
    class_name: str

    def said(self, value: Any) -> Any:
        """Look up what the config file says, if a value is a `Said`.

        Arguments:
            value: `Said`, or any other value, which is returned.

        Returns:
            The value.
        """
        if not isinstance(value, Said):
            return value
        found = self.settings.get(value.key)
        return value.default if found is None else found

    @property
    def reads(self) -> str:
        """What the head reads, from `READS`."""
        read = self.said(self.head.reads)
        return "first" if read == "cls" else read

    @property
    def units(self) -> int:
        """The number of logits."""
        return len(self.labels)


# ------------------------------------------------------------------------------------------------------ finding


def find_head(
    subject: Subject,
    task: str,
    labels: Sequence[str] | None = None,
    problem: str | None = None,
    new_head: bool = False,
) -> TaskHead:
    """Find the head of a task in a folder, or describe a new one.

    Arguments:
        subject: `Subject`. The checkpoint and its config.
        task: str, from `TASKS`.
        labels: list of str, or None. The names of the labels. If the folder has no such head, a new one is made for
            them.
        problem: str or None, from `PROBLEMS`. The kind of a new head; None means one label for each text.
        new_head: bool. Whether a new head is made although the folder may have one.

    Returns:
        `TaskHead`.

    Raises:
        ConfigError: the network has no such head, the folder has none and no labels are given, or the labels are not
            the labels of the folder.
        CheckpointError: a variable of the head is missing or does not fit.
    """
    head = head_of(subject.network.name, task)
    class_name = _class_of(subject, task, head)
    settings = subject.file_config
    _refuse_settings(head, settings, class_name)
    names = None if labels is None else checked_labels(labels)
    empty = TaskHead(task, head, [], problem, None, settings, class_name)
    arrays = None if new_head else _read_head(subject, empty)
    if arrays is None:
        if problem == REGRESSION and names is None:
            names = ["LABEL_0"]
        names = FIXED_LABELS.get(task, names)
        if names is None or (task in FIXED_LABELS and not new_head):
            raise ConfigError(_no_head(subject, empty))
        if task == TASKS[0] and len(names) == 1 and problem in (None, SINGLE):
            raise ConfigError(f"labels={names}: every text would have it; give multi_label=True or regression=True")
        return empty._replace(labels=names, problem=problem or SINGLE if task == TASKS[0] else None)
    own = _labels_of(subject, task, arrays[_last_name(empty) + ".weight"].shape[0])
    if names is not None:
        own = _agreed(own, names, subject.path)
    said = settings.get("problem_type")
    if said is not None and said not in PROBLEMS:
        raise ConfigError(f"{subject.where}: problem_type={said!r}, expected one of {', '.join(PROBLEMS)}")
    if problem is not None and said is not None and problem != said:
        raise ConfigError(f"{subject.where}: problem_type is {said!r}, so it is no {problem}; new_head=True makes one")
    return empty._replace(labels=own, problem=problem or said, arrays=arrays)


def _class_of(subject: Subject, task: str, head: Head) -> str:
    """Return the name of the class of transformers that has this network with this head."""
    theirs = subject.network.huggingface
    said = subject.file_config.get("model_type")
    prefix = theirs.types[said] if said in theirs.types else next(iter(theirs.types.values()))
    return f"{prefix}For{task}{head.end}"


def checked_labels(labels: Sequence[str]) -> list[str]:
    """Check the names of labels.

    Arguments:
        labels: iterable of str.

    Returns:
        list of str.

    Raises:
        ConfigError: it is one text, it is empty, or its elements are not different texts.

    Example:
        >>> from b4k3.tasks.heads import checked_labels
        >>> checked_labels(("bad", "good"))
        ['bad', 'good']
    """
    if isinstance(labels, (str, bytes)) or not hasattr(labels, "__iter__"):
        raise ConfigError(f"labels: expected a list of names, got {type(labels).__name__}")
    listed = list(labels)
    wrong = [label for label in listed if not isinstance(label, str)]
    if wrong:
        raise ConfigError(f"labels: expected names, got {wrong[0]!r}, which is {type(wrong[0]).__name__}")
    if not listed or len(set(listed)) < len(listed) or "" in listed:
        raise ConfigError(f"labels: expected different names, got {short(listed)}")
    return listed


def _refuse_settings(head: Head, settings: Mapping[str, Any], class_name: str) -> None:
    """Raise ConfigError if the config file says something of the head that is not implemented."""
    for key, value in head.fixed.items():
        if settings.get(key, value) != value:
            raise ConfigError(f"{class_name}: {key}={settings[key]!r} is not implemented, only {value!r}")


def _names_of(step: Any, head: TaskHead) -> list[str]:
    """List the variables of a step by their names in files of transformers."""
    if isinstance(step, Drop):
        return []
    return [step.name + ".weight"] + ([step.name + ".bias"] if head.said(step.bias) else [])


def _last_name(head: TaskHead) -> str:
    """Return the name of the last layer of a head."""
    return next(step.name for step in reversed(head.head.steps) if isinstance(step, Dense))


def _read_head(subject: Subject, head: TaskHead) -> dict[str, np.ndarray] | None:
    """Read the variables of a head; None if the folder does not have this head."""
    said = _said_class(subject)
    if said is not None and said != head.class_name and said.endswith(_ends()):
        return None
    checkpoint = subject.checkpoint_read
    names = [name for step in head.head.steps for name in _names_of(step, head)]
    stored = {name: name for name in names}
    for begin in GOOGLE.get(head.task, ()) if len(names) == 2 else ():
        if begin + "weights" in checkpoint:
            stored = dict(zip(names, (begin + "weights", begin + "bias")))
    missing = [name for name in stored.values() if name not in checkpoint]
    if missing and said == head.class_name:
        raise CheckpointError(f"{subject.path}: {said} has {', '.join(missing)}, and the file has not")
    if missing:
        return None
    layers = tuple(step.name + "." for step in head.head.steps if not isinstance(step, Drop))
    unread = [name for name in checkpoint if name.startswith(layers) and name not in stored]
    if unread:
        raise CheckpointError(f"{subject.path}: {', '.join(unread)}: {head.class_name} with this config has no such")
    arrays = {}
    for name, other in stored.items():
        arrays[name] = np.asarray(checkpoint[other])
        if arrays[name].dtype.kind in NOT_FLOATS:
            raise CheckpointError(f"{subject.path}: {other} is {arrays[name].dtype}, where weights are floats")
    return arrays


def _said_class(subject: Subject) -> str | None:
    """Return the class of transformers that the config file names."""
    said = subject.file_config.get("architectures")
    return said[0] if isinstance(said, list) and said and isinstance(said[0], str) else None


def _ends() -> tuple[str, ...]:
    """Return the ends of the names of classes with a head."""
    return tuple(f"For{task}{end}" for task in TASKS for end in ("", "Simple"))


def _no_head(subject: Subject, head: TaskHead) -> str:
    """Say that a folder has no such head."""
    said = _said_class(subject)
    advice = "new_head=True makes one" if head.task in FIXED_LABELS else "give labels= to make a new one"
    return (
        f"{subject.path} has no head for {head.task} ({_last_name(head)}.weight, …)"
        f"{'' if said is None else f'; its config names {said}'}; {advice}, which must be trained"
    )


def _labels_of(subject: Subject, task: str, count: int) -> list[str]:
    """Return the names of the labels that a config file says."""
    if task in FIXED_LABELS:
        wanted = FIXED_LABELS[task]
        if count != len(wanted):
            raise CheckpointError(f"{subject.path}: the head for {task} has {count} outputs, expected {len(wanted)}")
        return wanted
    said = subject.file_config.get("id2label")
    if said is None:
        return [f"LABEL_{i}" for i in range(count)]
    names = {str(key): str(value) for key, value in said.items()} if isinstance(said, dict) else {}
    if sorted(names) != sorted(map(str, range(count))):
        raise ConfigError(f"{subject.where}: id2label={short(said)}, and the head has {count} outputs")
    return [names[str(i)] for i in range(count)]


def _agreed(own: list[str], given: list[str], path: Any) -> list[str]:
    """Return the labels of a head that the caller has named too."""
    if sorted(own) == sorted(given):
        return own
    if len(own) == len(given) and own == [f"LABEL_{i}" for i in range(len(own))]:
        return given
    raise ConfigError(
        f"{path} has a head with the labels {short(own)}; leave labels= out to use it, or say new_head=True to train "
        "another one"
    )


# ----------------------------------------------------------------------------------------------------- building


def build_arguments(subject: Subject, head: TaskHead, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of `build_transformer_model` for the network below a head.

    Arguments:
        subject: `Subject`. The checkpoint and its config.
        head: `TaskHead`.
        given: dict. The arguments of the caller, which are added.

    Returns:
        dict.
    """
    arguments: dict[str, Any] = {part.argument: False for part in subject.network.heads if part.on}
    arguments.update(head.head.arguments)
    if head.head.half == ENCODER and not subject.network.name.endswith(ENCODER):
        return dict({"model": network(subject.network.name + ENCODER)}, **given)
    if head.reads == "pooler":
        arguments["with_pool"] = True
        pooler = next(part for part in subject.network.heads if part.argument == "with_pool")
        if head.arrays is None and pooler.name not in subject.parts_present():
            arguments["ignore_invalid_weights"] = True  # the pooler alone can be missing: the rest was checked
    if head.arrays is None and head.reads == "last" and subject.all_sizes["pad_token_id"] < 0:
        end = head.settings.get("eos_token_id")
        if isinstance(end, int):
            arguments["pad_token_id"] = end  # what is done with GPT-2, which has no padding
    return dict(arguments, **given)


def build_head(transformer: Transformer, head: TaskHead, name: str) -> Any:
    """Build the model from the inputs of the network to the logits.

    Arguments:
        transformer: `Transformer`. The network, with the pooler if the head reads it.
        head: `TaskHead`. Its arrays are loaded; a new head is initialised like the network.
        name: str. The name of the network for `model=`.

    Returns:
        keras.Model. Its output is float32: [batch, labels], or [batch, n, labels] if the head reads each token.

    Raises:
        CheckpointError: an array has another shape than the layer.
    """
    x = _read_vectors(transformer, head, name)
    layers: list[tuple[Any, list[str]]] = []
    for i, step in enumerate(head.head.steps):
        layer = _layer(step, head, transformer, _name_of_layer(i, step), i == len(head.head.steps) - 1)
        x = x if layer is None else layer(x)
        if not isinstance(step, Drop):
            layers.append((layer, _in_order(step, _names_of(step, head))))
    model = keras.Model(transformer.inputs, x)
    for layer, names in layers if head.arrays is not None else ():
        assert head.arrays is not None
        values = [np.asarray(head.arrays[n], dtype="float32") for n in names]
        values = [value.T if value.ndim == 2 else value for value in values]
        for n, value, weight in zip(names, values, layer.weights):
            if value.shape != tuple(weight.shape):
                shape = list(map(int, weight.shape))
                raise CheckpointError(f"{n} is {list(value.shape)} in the file, the network makes it {shape}")
        layer.set_weights(values)
    return model


def _name_of_layer(i: int, step: Any) -> str:
    """Return the name of the layer of step number `i`."""
    return f"Head-{i}-{type(step).__name__}"


def _in_order(step: Any, names: list[str]) -> list[str]:
    """Put the variables of a step into the order of the layer's weights: LayerNormalization has the bias first."""
    return names[::-1] if isinstance(step, Norm) else names


def _read_vectors(transformer: Transformer, head: TaskHead, name: str) -> Any:
    """Return what a head reads, [batch, d] or [batch, n, d]."""
    last = transformer.num_hidden_layers - 1
    x = transformer.layers[BODIES[name].format(last=last)].output if name in BODIES else transformer.output
    reads = head.reads
    if reads in ("pooler", "every"):
        return x
    if reads == "first":
        return FirstToken(name="Head-First")(x)
    if reads == "mean":
        return SequencePooling("mean", name="Head-Mean")(x)
    if reads == "last":
        return PickToken(transformer.pad_token_id, equal=False, name="Head-Last")([x, transformer.inputs[0]])
    if reads == "end":
        end, _ = special_tokens(head.settings, name)
        return PickToken(end, name="Head-End")([x, transformer.inputs[0]])
    raise ConfigError(f"{head.class_name}: {head.head.reads} is {reads!r}, expected 'cls' or 'mean'")


def special_tokens(settings: Mapping[str, Any], name: str) -> tuple[int, int]:
    """Return the end token of a text, and the first token of the decoder, of a network with two halves.

    Arguments:
        settings: dict. The keys of the config file.
        name: str. The name of the network for `model=`.

    Returns:
        (int, int).
    """
    end, start = START_OF_TWO_HALVES.get(name, START_OF_T5)
    ends, starts = settings.get("eos_token_id"), settings.get("decoder_start_token_id")
    return (end if ends is None else int(ends)), (start if starts is None else int(starts))


def _layer(step: Any, head: TaskHead, transformer: Transformer, name: str, is_last: bool) -> Any:
    """Return the layer of a step; None for dropout of rate 0."""
    if isinstance(step, Drop):
        rates = [head.settings[key] for key in step.keys if head.settings.get(key) is not None]
        rate = float(rates[0]) if rates else step.default
        return keras.layers.Dropout(rate, name=name) if rate else None
    if isinstance(step, Norm):
        bias = bool(head.said(step.bias))
        return LayerNormalization(epsilon=float(head.said(step.epsilon)), offset=bias, name=name)
    activation = spelled_activation("hidden_act", head.said(step.activation))
    units = {HIDDEN: transformer.hidden_size, LABELS: head.units}.get(step.units, step.units)
    return keras.layers.Dense(
        units,
        activations.get("gelu_erf" if activation == "gelu" else activation),  # whatever `set_gelu` says
        use_bias=bool(head.said(step.bias)),
        kernel_initializer=getattr(transformer, "initializer", "glorot_uniform"),
        name=name,
        **({"dtype": "float32"} if is_last else {}),
    )


# ------------------------------------------------------------------------------------------------------ writing


def head_variables(model: Any, head: TaskHead) -> dict[str, np.ndarray]:
    """Return the variables of a head under the names of transformers.

    Arguments:
        model: keras.Model. What `build_head` made.
        head: `TaskHead`.

    Returns:
        dict from name to float array. Matrices are [outputs, inputs].
    """
    refuse_quantised([model], "A folder that is written")
    found = {}
    for i, step in enumerate(head.head.steps):
        if not isinstance(step, Drop):
            values = [np.asarray(value) for value in model.get_layer(_name_of_layer(i, step)).get_weights()]
            values = [np.ascontiguousarray(value.T) if value.ndim == 2 else value for value in values]
            found.update(zip(_in_order(step, _names_of(step, head)), values))
    return found


def in_scope_of_class(tensors: Mapping[str, np.ndarray], head: TaskHead) -> dict[str, np.ndarray]:
    """Rename the variables of the network as the class with this head names them.

    Arguments:
        tensors: dict from the name in transformers to an array.
        head: `TaskHead`.

    Returns:
        dict. T5's classifiers have the network in `transformer.`, for example.
    """
    ours, theirs = head.head.scope
    return {theirs + name[len(ours) :] if name.startswith(ours) else name: value for name, value in tensors.items()}


def head_config(subject: Subject, transformer: Transformer, head: TaskHead) -> dict[str, Any]:
    """Return the config.json of transformers for a network with a head.

    Arguments:
        subject: `Subject`. The checkpoint and its config.
        transformer: `Transformer`. The network that is saved.
        head: `TaskHead`.

    Returns:
        dict.
    """
    config = huggingface_config(subject, ())
    config["architectures"] = [head.class_name]
    config["pad_token_id"] = transformer.full_pad_token_id if transformer.full_pad_token_id >= 0 else None
    read = [key for step in head.head.steps for key in _keys_of(step)]
    if isinstance(head.head.reads, Said):
        read.append(head.head.reads.key)
    for key in [*read, *head.head.fixed]:
        if subject.file_config.get(key) is not None:
            config.setdefault(key, subject.file_config[key])
    config.update((key, subject.file_config[key]) for key in TOKENS if subject.file_config.get(key) is not None)
    if head.task not in FIXED_LABELS:
        config["id2label"] = {str(i): label for i, label in enumerate(head.labels)}
        config["label2id"] = {label: i for i, label in enumerate(head.labels)}
        config["num_labels"] = len(head.labels)
    if head.problem is not None:
        config["problem_type"] = head.problem
    return config


def _keys_of(step: Any) -> list[str]:
    """List the keys of the config file that a step reads."""
    if isinstance(step, Drop):
        return list(step.keys)
    return [value.key for value in step if isinstance(value, Said)]
