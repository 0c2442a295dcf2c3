"""BERT, and RoBERTa as Chinese publishers call theirs, which is the same network."""

from __future__ import annotations

from b4k3.backend import activations, keras
from b4k3.layers import Add, Embedding, FirstToken, PositionEmbedding, ScaleOffset

from ..errors import ConfigError
from ..networks.bert import BERT as NETWORK
from ..transformer import Transformer, as_list


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
        mlm_act: activation of the masked-language-model head's Dense layer, hidden_act by default.
        embedding_mapping: whether a Dense layer stands between embeddings and blocks; None: where their sizes differ.
        kwargs: those of `Transformer`.

    Reference: Devlin et al., BERT, https://arxiv.org/abs/1810.04805, https://github.com/google-research/bert
    """

    model_key = "bert"
    network = NETWORK
    embedding_epsilon = block_epsilon = 1e-12
    untied_bias = True

    def __init__(
        self,
        *,
        max_position=512,
        segment_vocab_size=2,
        with_pool=False,
        with_nsp=False,
        with_mlm=False,
        hierarchical_position=None,
        custom_position_ids=False,
        shared_segment_embeddings=False,
        mlm_act=None,
        embedding_mapping=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.max_position = max_position
        self.segment_vocab_size = segment_vocab_size
        self.with_pool = with_pool or bool(with_nsp)
        self.with_nsp = with_nsp
        self.with_mlm = with_mlm
        self.hierarchical_position = hierarchical_position
        self.custom_position_ids = custom_position_ids
        self.shared_segment_embeddings = shared_segment_embeddings
        self.mlm_act = mlm_act or self.hidden_act
        self.embedding_mapping = embedding_mapping or self.embedding_size != self.hidden_size

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
        inputs = as_list(inputs)
        x = self.embed_tokens(inputs)
        x = self.embed_positions(x, self.position_input(inputs))
        x = self.drop_embeddings(self.normalize_embeddings(x))
        return self.map_embeddings(x)

    def embed_tokens(self, inputs):
        """Tokens plus segments. Arguments: inputs: list, those of the model. Returns: [batch, n, embedding_size]."""
        x = self.embed(inputs[0], self.vocab_size, "Embedding-Token", mask_zero=True)
        if not self.segment_vocab_size:
            return x
        name = "Embedding-Token" if self.shared_segment_embeddings else "Embedding-Segment"
        s = self.embed(inputs[1], self.segment_vocab_size, name)
        return self.apply([x, s], Add, name="Embedding-Token-Segment")

    def embed(self, ids, rows, name, mask_zero=False):
        return self.apply(
            ids,
            Embedding,
            input_dim=rows,
            output_dim=self.embedding_size,
            embeddings_initializer=self.initializer,
            mask_zero=mask_zero,
            padding_id=self.pad_token_id if mask_zero else 0,
            name=name,
        )

    def position_input(self, inputs):
        """The position ids among the model's inputs, or None."""
        return inputs[2 if self.segment_vocab_size else 1] if self.custom_position_ids else None

    def embed_positions(self, x, position_ids):
        """Learned positions. Arguments: x [batch, n, embedding_size]; ids [batch, n] or None. Returns: as x."""
        return self.apply(
            self.simplify([x, position_ids]),
            PositionEmbedding,
            input_dim=self.max_position,
            output_dim=self.embedding_size,
            merge_mode="add",
            hierarchical=self.hierarchical_position,
            embeddings_initializer=self.initializer,
            custom_position_ids=self.custom_position_ids,
            name="Embedding-Position",
        )

    def normalize_embeddings(self, x):
        return self.normalize(x, "Embedding-Norm", self.embedding_epsilon)

    def drop_embeddings(self, x):
        return self.drop(x, "Embedding-Dropout")

    def map_embeddings(self, x):
        """From embedding_size to hidden_size, where they differ."""
        if not self.embedding_mapping:
            return x
        return self.dense(x, self.hidden_size, "Embedding-Mapping", use_bias=self.use_bias)

    # -------------------------------------------------------------------------------------------------- blocks

    def apply_main_layers(self, inputs, index):
        return self.apply_block(inputs, "Transformer-%d" % index, index)

    def apply_block(self, x, block, index):
        """Attention, Dropout, Add, Norm; FeedForward, Dropout, Add, Norm.

        Arguments:
            x: [batch, n, hidden_size].
            block: what the names of the layers begin with.
            index: number of the block.
        """
        name = "%s-MultiHeadSelfAttention" % block
        x = self.residual(x, self.apply_attention(x, name, index), name)
        name = "%s-FeedForward" % block
        return self.residual(x, self.feed_forward(x, name), name)

    def apply_attention(self, x, name, index):
        """Multi-head self-attention. Arguments: x [batch, n, hidden_size]. Returns: likewise."""
        bias, position = self.compute_attention_bias(index), self.compute_position_bias(x)
        return self.attend(x, x, name, bias, position, self.attention_scale_of(index))

    def attention_scale_of(self, index):
        """The scale of the scores in block number `index`, as `attention_scale` of `MultiHeadAttention`."""
        return self.attention_scale

    def residual(self, x, y, name):
        """Norm(x + Dropout(y))."""
        return self.normalize(self.add(x, y, name), "%s-Norm" % name, self.block_epsilon)

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
        """The masked-language-model head, tied to the token embeddings or not. Arguments: x [batch, n, hidden_size]."""
        x = self.dense(x, self.embedding_size, "MLM-Dense", self.mlm_act)
        x = self.normalize(x, "MLM-Norm")
        x = self.project_to_vocabulary(x, "MLM-Decoder")
        if self.tie_word_embeddings:
            x = self.apply(x, ScaleOffset, scale=False, name="MLM-Bias")
        activation = activations.get("softmax" if self.with_mlm is True else self.with_mlm)
        return self.apply(x, keras.layers.Activation, activation=activation, dtype="float32", name="MLM-Activation")


def refuse_heads(cls, given):
    """Arguments: cls: a class with `absent_heads`; given: dict. Raises: ConfigError: a head that it does not have."""
    for head, instead in cls.absent_heads.items():
        if given.get(head):
            raise ConfigError("%s: %s has no such head; %s" % (head, cls.__name__, instead))
