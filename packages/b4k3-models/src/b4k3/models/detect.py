"""From variable names and shapes to the architecture that a file is of."""

from __future__ import annotations

import re

# (a pattern that some name of the file matches, one that no name may match, what it is, model=)
SIGNS = (
    (r"^newslm/", None, "a GPT2-ML checkpoint", "gpt2_ml"),
    (r"^GAU_alpha/", None, "a GAU-alpha checkpoint", "gau"),
    (r"^(electra/|discriminator_predictions/|electra\.)", None, "an ELECTRA checkpoint", "electra"),
    (r"^encoder/block_\d+/.*DenseReluDense/wi_0/", None, "a T5.1.1 or mT5 checkpoint", "t5.1.1"),
    (r"^encoder/block_\d+/", None, "a T5 checkpoint", "t5"),
    (r"^gpt/.*input/LayerNorm", None, "a GPT2 (CPM) checkpoint", "gpt2"),
    (r"^gpt/", None, "a GPT checkpoint", "gpt"),
    (r"group_\d+/inner_group_\d+/|layer_shared/|albert_layer_groups", None, "an ALBERT checkpoint", "albert"),
    (
        r"^bert/encoder/layer_\d+/attention/output/LayerNorm",
        r"position_embeddings",
        "a checkpoint without position embeddings, as NEZHA or RoFormer",
        "nezha' or 'roformer",
    ),
    (r"^bert[/.]|embeddings\.word_embeddings\.weight$", None, "a BERT checkpoint", "bert"),
)


def guess(names):
    """(what the file is, model=) by its variable names, or None."""
    for wanted, unwanted, what, model in SIGNS:
        if any(re.search(wanted, name) for name in names):
            if unwanted is None or not any(re.search(unwanted, name) for name in names):
                return what, model
    return None


def advice(view, transformer):
    """Sentences about what would fit better.

    Arguments:
        view: `View` of the checkpoint.
        transformer: the `Transformer` that it did not fit.

    Returns:
        list of str.
    """
    found = guess(set(view.checkpoint.keys()))
    model = getattr(transformer, "model_key", None)
    if found is None or model is None or model == found[1]:
        return []
    return ["the file looks like %s, for which model='%s' is made" % found]
