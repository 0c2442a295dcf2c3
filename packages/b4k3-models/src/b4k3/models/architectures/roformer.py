"""RoFormer: BERT with rotary positions; and RoFormerV2, which also drops biases and the weights of normalisation."""

from __future__ import annotations

from b4k3.backend import activations, keras
from b4k3.layers import DeepTruncatedNormal, RotaryPositionEmbedding

from ..networks import roformer as networks
from .bert import BERT


class RoFormer(BERT):
    """RoFormer. Inputs, outputs and heads are BERT's.

    Arguments:
        kwargs: those of `BERT`; max_position bounds nothing.

    Reference: Su et al., RoFormer, https://arxiv.org/abs/2104.09864, https://github.com/ZhuiyiTechnology/roformer
    """

    model_key = "roformer"
    network = networks.ROFORMER
    embedding_epsilon = block_epsilon = 1e-7
    position_kind = "rotary"

    # ---------------------------------------------------------------------------------------------- embeddings

    def embed_positions(self, x, position_ids):
        return x

    def compute_position_bias(self, inputs=None):
        """The sines and cosines that queries and keys are turned by. Arguments: inputs [batch, n, …]."""
        if self.position_bias is None:
            ids = self.position_input(self.inputs)
            self.position_bias = self.apply(
                self.simplify([inputs, ids]),
                RotaryPositionEmbedding,
                output_dim=self.attention_key_size,
                custom_position_ids=ids is not None,
                name="Embedding-Rotary-Position",
            )
        return self.position_bias


class RoFormerV2(RoFormer):
    """RoFormerV2: no biases, and RMS normalisation without weights.

    Inputs and outputs are BERT's. The MLM head is the tied embedding alone; the published files have no pooler.

    Reference: https://github.com/ZhuiyiTechnology/roformer-v2
    """

    model_key = "roformer_v2"
    network = networks.ROFORMER_V2
    use_bias = untied_bias = False
    initializer_order = 2

    @property
    def initializer(self):
        """Normal values that are the smaller the deeper the network is."""
        return DeepTruncatedNormal(self.num_hidden_layers, self.initializer_order)

    def normalize(self, x, name, epsilon=1e-7, **kwargs):
        """RMS normalisation; with a condition a scale of 1 and an offset of 0 for it to act on."""
        conditional = self.layer_norm_conds[0] is not None
        scale, offset = (1.0, 0.0) if conditional else (False, False)
        return super().normalize(x, name, epsilon, zero_mean=False, scale=scale, offset=offset, **kwargs)

    # ---------------------------------------------------------------------------------------------- embeddings

    def apply_embeddings(self, inputs):
        x = self.embed_tokens(list(inputs) if isinstance(inputs, (list, tuple)) else [inputs])
        x = self.drop(x, "Embedding-Dropout")
        return self.map_embeddings(self.normalize(x, "Embedding-Norm"))

    # --------------------------------------------------------------------------------------------------- heads

    def apply_mlm(self, x):
        if self.embedding_size != self.hidden_size:
            x = self.dense(x, self.embedding_size, "Output-Mapping", use_bias=False)
        x = self.drop(x, "Output-MLM-Dropout")
        x = self.project_to_vocabulary(x, "MLM-Decoder")
        activation = activations.get("softmax" if self.with_mlm is True else self.with_mlm)
        return self.apply(
            x, keras.layers.Activation, activation=activation, dtype="float32", name="Output-MLM-Activation"
        )
