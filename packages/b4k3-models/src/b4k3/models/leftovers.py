"""Tell by their names which variables of a file no network needs: what training left, and heads of other tasks."""

from __future__ import annotations

import functools
import re

OPTIMIZER_SLOT, TRAINING_STATE, AVERAGE = "optimizer slot", "training state", "moving average"
FIXED_POSITIONS, TASK_HEAD = "fixed positions", "head of a task"
# (regular expression, kind of the variable); the first one that is found in the name decides
PATTERNS = (
    (r"(^|/)(adam_[mv]|AdamWeightDecayOptimizer.*|lamb_[mv]|Adam(_\d+)?|LAMB(_\d+)?)$", OPTIMIZER_SLOT),
    (r"(/adafactor|[/_]slot)_(v[rc]?|m)$", OPTIMIZER_SLOT),
    (r"(?i)(^|/)(adam|adamweightdecay|lamb)[^/]*/", OPTIMIZER_SLOT),
    (r"(^|/)(global_step|good_steps|loss_scale|beta[12]_power|save_counter)$", TRAINING_STATE),
    (r"/(ExponentialMovingAverage|Momentum)$", AVERAGE),
    (r"(^|[./])pooler[./]", "pooler"),
    (r"^cls[./]seq_relationship", "NSP head"),
    (r"^cls[./]predictions", "MLM head"),
    (
        r"^(lm_head|predictions|generator_lm_head|generator_predictions|vocab_(projector|transform|layer_norm))\.",
        "MLM head",
    ),
    (r"^sop_classifier\.", "NSP head"),
    (r"^(discriminator|mask)_predictions[./]", "discriminator head"),
    (r"^linear_(start|end)[./]", "pointers"),
    (r"(position_ids|token_type_ids)$", "position ids"),
    (r"(relative_positions_encoding|embed_positions)[./]", FIXED_POSITIONS),
    (r"^(model\.)?(shared|(en|de)coder\.embed_tokens)\.weight$", "tied embeddings"),
    (r"rotary_emb\.inv_freq$", FIXED_POSITIONS),
    (r"\.attn\.(masked_)?bias$", "fixed causal mask"),
    (r"EncDecAttention\.relative_attention_bias\.weight$", "unused position bias"),
    (
        r"^(classifier|qa_outputs|score|pre_classifier|logits_proj|sequence_summary|multiple_choice_head|"
        r"classification_head|summary)\.",
        TASK_HEAD,
    ),
    (r"^(loss/)?output_(weights|bias)$", TASK_HEAD),
)
_COMPILED = tuple((re.compile(pattern), kind) for pattern, kind in PATTERNS)


@functools.lru_cache(maxsize=1 << 18)
def leftover(name: str) -> str | None:
    """Tell by its name what kind of superfluous variable a variable is.

    Arguments:
        name: str. The name in the file.

    Returns:
        str, "optimizer slot" for example; None if the name does not tell that no network needs the variable.

    Example:
        >>> from b4k3.models.leftovers import leftover
        >>> leftover("bert/pooler/dense/kernel/adam_m")
        'optimizer slot'
    """
    for pattern, kind in _COMPILED:
        if pattern.search(name):
            return kind
    return None


def is_training_state(name: str) -> bool:
    """Tell by its name whether a variable belongs to the optimizer and not to the network.

    Arguments:
        name: str. The name in the file.

    Returns:
        bool.
    """
    return leftover(name) in (OPTIMIZER_SLOT, TRAINING_STATE)
