"""What the published versions of T5 differ in. Needs no Keras."""

from __future__ import annotations


class Version:
    """What the published versions differ in.

    Arguments:
        gated: whether the feed-forward layer is gated, and the projection to the vocabulary not the tied embeddings.
        norm, final_norm: what the files call a block's normalisation, and that at the end of a stack.
        cross_position_bias: whether attention to the encoder has a position bias.
        logit_scale: whether logits are scaled by hidden_size ** -0.5.
        tanh: whether 'gelu' in a configuration means its tanh form.
    """

    def __init__(self, gated, norm, final_norm, cross_position_bias, logit_scale, tanh):
        self.gated = gated
        self.norm = norm
        self.final_norm = final_norm
        self.cross_position_bias = cross_position_bias
        self.logit_scale = logit_scale
        self.tanh = tanh


VERSIONS = {
    "t5.1.0": Version(False, "layer_norm", "final_layer_norm", False, True, True),
    "t5.1.1": Version(True, "layer_norm", "final_layer_norm", False, False, True),
    "mt5.1.1": Version(True, "rms_norm", "rms_norm", False, False, True),
    "t5_pegasus": Version(True, "rms_norm", "rms_norm", True, True, False),
}


def published_activation(model, hidden_act):
    """The activation that a published configuration means.

    Arguments:
        model: the architecture, by its `model_key`.
        hidden_act: what the configuration says: a name, a list of them, or None.

    Returns:
        Likewise. Of T5, gelu is its tanh form, as Google's code computes it, and there is a default.
    """
    if model not in VERSIONS:
        return hidden_act
    version = VERSIONS[model]
    if hidden_act is None:
        hidden_act = ["gelu", "linear"] if version.gated else "relu"
    if isinstance(hidden_act, (list, tuple)):
        return [published_activation(model, name) for name in hidden_act]
    return "gelu_tanh" if hidden_act == "gelu" and version.tanh else hidden_act
