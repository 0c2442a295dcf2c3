"""From variable names and shapes to the architecture that a file is of, and to the sizes of its network."""

from __future__ import annotations

import re
import warnings

from .config import ConfigError

# (a pattern that some name of the file matches, one that no name may match, what it is, every model= that can load it)
SIGNS = (
    (r"^newslm/", None, "a GPT2-ML checkpoint", ("gpt2_ml",)),
    (r"^GAU_alpha/", None, "a GAU-alpha checkpoint", ("gau",)),
    (r"^(electra/encoder|discriminator_predictions)/", None, "an ELECTRA checkpoint", ("electra", "electra_generator")),
    (r"^generator(_predictions)?/", None, "the generator of an ELECTRA", ("electra_generator",)),
    (
        r"^(en|de)coder/block_\d+/.*DenseReluDense/wi_0/",
        r"rms_norm",
        "a T5.1.1 checkpoint",
        ("t5.1.1", "mt5.1.1", "t5_pegasus"),
    ),
    (
        r"^(en|de)coder/block_\d+/.*DenseReluDense/wi_0/",
        None,
        "an mT5 or T5-PEGASUS checkpoint",
        ("mt5.1.1", "t5_pegasus", "t5.1.1"),
    ),
    (r"^(en|de)coder/block_\d+/", None, "a T5 checkpoint", ("t5.1.0",)),
    (r"^gpt/.*input/LayerNorm", None, "a GPT2 (CPM) checkpoint", ("gpt2",)),
    (r"^gpt/", None, "a GPT checkpoint", ("gpt",)),
    (r"group_\d+/inner_group_\d+/", None, "an ALBERT checkpoint", ("albert", "albert_unshared")),
    (r"^bert/encoder/layer_\d+/.*(query|dense)/kernel", r"/bias$", "a RoFormerV2 checkpoint", ("roformer_v2",)),
    (
        r"^bert/encoder/layer_\d+/",
        r"position_embeddings",
        "a checkpoint without position embeddings, as NEZHA or RoFormer",
        ("nezha", "roformer"),
    ),
    (r"^bert/", None, "a BERT checkpoint", ("bert",)),
)

# the axes of a variable -> keys of a configuration
SIZES = (
    (r"/embeddings/word_embed(dings)?$", ("vocab_size", "embedding_size")),
    (r"/embeddings/pos(ition)?_embed(dings)?$", ("max_position",)),
    (r"/embeddings/token_type_embeddings$", ("segment_vocab_size",)),
    (r"/(attention(_1)?/self/query|query_layer)/kernel$", ("hidden_size",)),
    (r"/intermediate/(dense/)?kernel$", (None, "intermediate_size")),
    (r"/gau/o_dense/kernel$", ("intermediate_size", "hidden_size")),
    (r"/gau/q_scaleoffset/gamma$", ("attention_key_size",)),
    (r"^shared/embedding$", ("vocab_size", "hidden_size")),
    (r"/DenseReluDense/wi(_0)?/kernel$", (None, "intermediate_size")),
    (r"/relative_attention_bias$", ("num_attention_heads", "relative_attention_num_buckets")),
)
# a number in a name -> the key that counts it
COUNTS = (
    (r"^(?!encoder/block|decoder/block).*/layer_?(\d+)/", "num_hidden_layers"),
    (r"^encoder/block_(\d+)/", "num_hidden_layers"),
    (r"^decoder/block_(\d+)/", "num_decoder_layers"),
    (r"/group_(\d+)/", "num_hidden_groups"),
    (r"/inner_group_(\d+)/", "inner_group_num"),
)
BERT_SCOPES = ("bert/", "electra/", "generator/", "GAU_alpha/")
SCOPES = BERT_SCOPES + ("gpt/", "newslm/", "shared/", "encoder/block_", "decoder/block_")


def guess(names):
    """(what the file is, every model= that can load it) by its canonical variable names, or None."""
    for wanted, unwanted, what, models in SIGNS:
        if any(re.search(wanted, name) for name in names):
            if unwanted is None or not any(re.search(unwanted, name) for name in names):
                return what, models
    return None


def advice(view, transformer):
    """Sentences about what would fit better.

    Arguments:
        view: `View` of the checkpoint.
        transformer: the `Transformer` that it did not fit.

    Returns:
        list of str.
    """
    found = guess(view.keys())
    model = getattr(transformer, "model_key", None)
    if found is None or model is None or model in found[1]:
        return []
    return ["the file looks like %s: build it with model=%s" % (found[0], " or ".join(map(repr, found[1])))]


def recognise(view, config, path):
    """The architecture of a checkpoint.

    Arguments:
        view: `View` of it.
        config: dict, the configuration found with it; may be empty.
        path: str, where it was found: folder and file names count as evidence.

    Returns:
        str, for `model=`.

    Raises:
        ConfigError: nothing is known about such names, or they are those of two architectures.
    """
    found = guess(view.keys())
    if found is None:
        raise ConfigError("%s: model='auto' does not recognise its variables; say model=" % path)
    models = found[1]
    if "t5_pegasus" in models:
        if config.get("model_type") in models:  # as `b4k3 convert` writes it
            return config["model_type"]
        if is_pegasus(view, path):
            return "t5_pegasus"
        return "mt5.1.1" if config.get("model_type") == "mt5" else models[0]
    if "electra_generator" in models[1:]:
        return models[contradictions(config, sizes(view, models[0])) != [] and is_generator(view, config)]
    if models == ("nezha", "roformer"):
        return without_position_table(view, config, path)
    return models[0]


def is_pegasus(view, path):
    """Whether a file with the variables of mT5 is of T5-PEGASUS, which was trained from them.

    Its vocabulary is BERT's kind and has 50000 tokens, in the published file; it was written without the training state
    that all of Google's have.
    """
    rows = view.shape("shared/embedding")[0] if "shared/embedding" in view else None
    if rows == 50000 or "pegasus" in str(path).lower():
        return True
    if rows is None or rows % 128 == 0 or view.dialect.name != "mesh_t5":  # Google's have room at the end
        return False
    return "encoder/rms_norm/scale" in view.checkpoint and "global_step" not in view.checkpoint


def doubts(view, model, path):
    """Sentences about a network that fits a file, and yet seems not to be the one that it is of.

    Arguments:
        view: `View` of the checkpoint.
        model: the architecture, by its `model=`.
        path: as of `recognise`.
    """
    if model not in ("t5.1.1", "mt5.1.1") or not is_pegasus(view, path):
        return []
    return [
        "the file looks like T5-PEGASUS, which was trained with a position bias in the attention to the encoder, "
        "scaled logits and the erf form of gelu: build it with model='t5_pegasus'"
    ]


def is_generator(view, config):
    return any(name.startswith("generator/") for name in view.keys()) and not contradictions(
        config, sizes(view, "electra_generator")
    )


def without_position_table(view, config, path):
    """'nezha' or 'roformer', whose Google-style files have the same names."""
    if view.dialect.models:
        return view.dialect.models[0]
    if config.get("model_type") in ("nezha", "roformer"):
        return config["model_type"]
    if config.get("use_relative_position") or config.get("max_relative_position"):
        return "nezha"
    named = [model for model in ("nezha", "roformer") if model in str(path).lower()]
    if len(named) == 1:
        return named[0]
    names = set(view.keys())
    if "cls/seq_relationship/output_weights" in names:
        return "nezha"  # RoFormer was trained without sentence pairs
    if "bert/pooler/dense/kernel" in names:
        raise ConfigError(
            "%s: model='auto' cannot tell NEZHA from RoFormer, whose variables have the same names and shapes; "
            "say model='nezha' or model='roformer'" % path
        )
    warnings.warn(
        "%s has no position table, pooler or NSP head: taken for RoFormer; if it is NEZHA, say model='nezha'" % path,
        stacklevel=2,
    )
    return "roformer"


def sizes(view, model):
    """What names and shapes tell about the configuration of a model.

    Arguments:
        view: `View` of the checkpoint.
        model: str, the architecture; of an ELECTRA file it selects the discriminator or the generator.

    Returns:
        dict from key to int. The number of heads, the activation and ALBERT's number of layers are not in shapes.
    """
    other = "electra/encoder" if model == "electra_generator" else "generator/"
    names = [name for name in view.keys() if name.startswith(SCOPES) and not name.startswith(other)]
    found = {}
    for pattern, keys in SIZES:
        for name in names:
            if re.search(pattern, name):
                found.update({key: int(size) for key, size in zip(keys, view.shape(name)) if key})
                break
    for pattern, key in COUNTS:
        numbers = [int(match.group(1)) for match in (re.search(pattern, name) for name in names) if match]
        if numbers:
            found[key] = max(numbers) + 1
    if "vocab_size" in found and any(name.startswith(BERT_SCOPES) for name in names):
        found.setdefault("segment_vocab_size", 0)
    if "num_attention_heads" in found:  # T5, whose heads need not fill the width
        query = next(name for name in names if name.endswith("/SelfAttention/q"))
        found["attention_head_size"] = int(view.shape(query)[1]) // found["num_attention_heads"]
    return found


def contradictions(config, found):
    """The keys on which a configuration (with aliases resolved) and sizes disagree."""
    return [key for key, size in found.items() if config.get(key) is not None and config[key] != size]
