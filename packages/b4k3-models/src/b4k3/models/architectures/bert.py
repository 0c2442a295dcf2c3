"""BERT, and RoBERTa as Chinese publishers call theirs, which is the same network."""

from __future__ import annotations

from b4k3.backend import activations, keras
from b4k3.layers import Add, Embedding, FeedForward, FirstToken, LayerNormalization, MultiHeadAttention
from b4k3.layers import PositionEmbedding, ScaleOffset

from ..transformer import Transformer


class BERT(Transformer):
    """BERT.

    Inputs: token ids [batch, n]; segment ids [batch, n] unless segment_vocab_size is 0; position ids [batch, n] with
    custom_position_ids. Outputs: the last block [batch, n, hidden_size]; with a head its output alone, with two heads
    the list [pooled or NSP, MLM].

    Arguments:
        max_position: number of positions.
        segment_vocab_size: number of segments, 0 for none.
        with_pool: False, True (tanh) or the activation of the pooler: [batch, hidden_size].
        with_nsp: whether to add the next-sentence head: probabilities [batch, 2].
        with_mlm: False, True (softmax) or the activation of the masked-language-model head: [batch, n, vocab_size].
        hierarchical_position: as `hierarchical` of `PositionEmbedding`.
        custom_position_ids: whether positions are an input.
        shared_segment_embeddings: whether segments are looked up in the token embeddings.
        kwargs: those of `Transformer`.

    Reference: Devlin et al., BERT, https://arxiv.org/abs/1810.04805, https://github.com/google-research/bert
    """

    model_key = "bert"

    def __init__(
        self,
        max_position=512,
        segment_vocab_size=2,
        with_pool=False,
        with_nsp=False,
        with_mlm=False,
        hierarchical_position=None,
        custom_position_ids=False,
        shared_segment_embeddings=False,
        **kwargs
    ):
        super(BERT, self).__init__(**kwargs)
        self.max_position = max_position
        self.segment_vocab_size = segment_vocab_size
        self.with_pool = with_pool or bool(with_nsp)
        self.with_nsp = with_nsp
        self.with_mlm = with_mlm
        self.hierarchical_position = hierarchical_position
        self.custom_position_ids = custom_position_ids
        self.shared_segment_embeddings = shared_segment_embeddings

    # -------------------------------------------------------------------------------------------------- inputs

    def get_inputs(self):
        inputs = [self.input_ids("Input-Token")]
        if self.segment_vocab_size > 0:
            inputs.append(self.input_ids("Input-Segment"))
        if self.custom_position_ids:
            inputs.append(self.input_ids("Input-Position"))
        return inputs

    # ---------------------------------------------------------------------------------------------- embeddings

    def apply_embeddings(self, inputs):
        inputs = list(inputs)
        x = inputs.pop(0)
        s = inputs.pop(0) if self.segment_vocab_size > 0 else None
        p = inputs.pop(0) if self.custom_position_ids else None
        x = self.apply(
            x,
            Embedding,
            input_dim=self.vocab_size,
            output_dim=self.embedding_size,
            embeddings_initializer=self.initializer,
            mask_zero=True,
            name="Embedding-Token",
        )
        if s is not None:
            s = self.apply(
                s,
                Embedding,
                input_dim=self.segment_vocab_size,
                output_dim=self.embedding_size,
                embeddings_initializer=self.initializer,
                name="Embedding-Token" if self.shared_segment_embeddings else "Embedding-Segment",
            )
            x = self.apply([x, s], Add, name="Embedding-Token-Segment")
        x = self.apply(
            self.simplify([x, p]),
            PositionEmbedding,
            input_dim=self.max_position,
            output_dim=self.embedding_size,
            merge_mode="add",
            hierarchical=self.hierarchical_position,
            embeddings_initializer=self.initializer,
            custom_position_ids=self.custom_position_ids,
            name="Embedding-Position",
        )
        x = self.normalize(x, "Embedding-Norm")
        x = self.drop(x, "Embedding-Dropout")
        if self.embedding_size != self.hidden_size:
            x = self.dense(x, self.hidden_size, "Embedding-Mapping")
        return x

    # -------------------------------------------------------------------------------------------------- blocks

    def apply_main_layers(self, inputs, index):
        """Attention, Dropout, Add, Norm; FeedForward, Dropout, Add, Norm."""
        x = inputs
        name = "Transformer-%d-MultiHeadSelfAttention" % index
        bias = self.compute_attention_bias(index)
        x = self.apply(
            self.simplify([x, x, x, bias]),
            MultiHeadAttention,
            arguments={"a_bias": None if bias is None else True},
            heads=self.num_attention_heads,
            head_size=self.attention_head_size,
            out_dim=self.hidden_size,
            key_size=self.attention_key_size,
            attention_dropout=self.attention_dropout_rate,
            kernel_initializer=self.initializer,
            name=name,
        )
        x = self.residual(inputs, x, name)
        name = "Transformer-%d-FeedForward" % index
        y = self.apply(
            x,
            FeedForward,
            units=self.intermediate_size,
            activation=self.hidden_act,
            kernel_initializer=self.initializer,
            name=name,
        )
        return self.residual(x, y, name)

    def residual(self, x, y, name):
        """Norm(x + Dropout(y))."""
        y = self.drop(y, "%s-Dropout" % name)
        return self.normalize(self.apply([x, y], Add, name="%s-Add" % name), "%s-Norm" % name)

    # --------------------------------------------------------------------------------------------------- heads

    def apply_final_layers(self, inputs):
        outputs = []
        if self.with_pool:
            x = self.apply(inputs, FirstToken, name="Pooler")
            x = self.dense(x, self.hidden_size, "Pooler-Dense", "tanh" if self.with_pool is True else self.with_pool)
            outputs.append(self.dense(x, 2, "NSP-Proba", "softmax") if self.with_nsp else x)
        if self.with_mlm:
            outputs.append(self.apply_mlm(inputs))
        return self.simplify(outputs or [inputs])

    def apply_mlm(self, x):
        """The masked-language-model head, tied to the token embeddings. Arguments: x [batch, n, hidden_size]."""
        x = self.dense(x, self.embedding_size, "MLM-Dense", self.hidden_act)
        x = self.normalize(x, "MLM-Norm")
        x = self.apply(x, Embedding, arguments={"mode": "dense"}, name="Embedding-Token")
        x = self.apply(x, ScaleOffset, scale=False, name="MLM-Bias")
        activation = activations.get("softmax" if self.with_mlm is True else self.with_mlm)
        return self.apply(x, keras.layers.Activation, activation=activation, dtype="float32", name="MLM-Activation")

    # ------------------------------------------------------------------------------------------------- weights

    def load_variable(self, checkpoint, name):
        value = super(BERT, self).load_variable(checkpoint, name)
        if name in ("bert/embeddings/word_embeddings", "cls/predictions/output_bias"):
            return self.load_embeddings(value)
        return value.T if name == "cls/seq_relationship/output_weights" else value

    def create_variable(self, name, value, dtype=None):
        value = super(BERT, self).create_variable(name, value, dtype)
        return value.T if name == "cls/seq_relationship/output_weights" else value

    def variable_mapping(self):
        mapping = {
            "Embedding-Token": ["bert/embeddings/word_embeddings"],
            "Embedding-Segment": ["bert/embeddings/token_type_embeddings"],
            "Embedding-Position": ["bert/embeddings/position_embeddings"],
            "Embedding-Norm": norm_variables("bert/embeddings/LayerNorm"),
            "Embedding-Mapping": dense_variables("bert/encoder/embedding_hidden_mapping_in"),
            "Pooler-Dense": dense_variables("bert/pooler/dense"),
            "NSP-Proba": ["cls/seq_relationship/output_weights", "cls/seq_relationship/output_bias"],
            "MLM-Dense": dense_variables("cls/predictions/transform/dense"),
            "MLM-Norm": norm_variables("cls/predictions/transform/LayerNorm"),
            "MLM-Bias": ["cls/predictions/output_bias"],
        }
        for i in range(self.num_hidden_layers):
            layer = "Transformer-%d-" % i
            scope = "bert/encoder/layer_%d/" % i
            mapping[layer + "MultiHeadSelfAttention"] = sum(
                (
                    dense_variables(scope + part)
                    for part in (
                        "attention/self/query",
                        "attention/self/key",
                        "attention/self/value",
                        "attention/output/dense",
                    )
                ),
                [],
            )
            mapping[layer + "MultiHeadSelfAttention-Norm"] = norm_variables(scope + "attention/output/LayerNorm")
            mapping[layer + "FeedForward"] = dense_variables(scope + "intermediate/dense")
            mapping[layer + "FeedForward"] += dense_variables(scope + "output/dense")
            mapping[layer + "FeedForward-Norm"] = norm_variables(scope + "output/LayerNorm")
        return mapping


def dense_variables(scope):
    return [scope + "/kernel", scope + "/bias"]


def norm_variables(scope):
    return [scope + "/beta", scope + "/gamma"]
