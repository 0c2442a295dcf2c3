"""BERT, from which most of the other encoders and decoders here are derived.

A model is built in the order of the methods below: inputs, embeddings, blocks, heads. A subclass overrides the methods
in which its network differs, and inherits the rest. Chinese publishers call models of this very network RoBERTa,
MacBERT, LERT and other names; `BERT` loads them all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Mapping

from b4k3.backend import activations, keras
from b4k3.layers import Add, Embedding, FirstToken, PositionEmbedding, ScaleOffset

from ..errors import ConfigError
from ..networks.bert import BERT as NETWORK
from ..transformer import Transformer, as_list

if TYPE_CHECKING:
    from typing import Callable, Union

    from b4k3.backend import Tensor

    Activation = Union[str, Callable[[Tensor], Tensor]]
    Head = Union[bool, Activation]  # False: no head; True: a head with its usual activation
    Scale = Union[bool, float]  # `attention_scale` of `MultiHeadAttention`


class BERT(Transformer):
    """The encoder of BERT: token, segment and position embeddings, then blocks of attention and feed-forward layers.

    Each block has two sublayers, attention and feed-forward. Each of them computes Norm(x + Dropout(sublayer(x))).

    Inputs:
        token ids: [batch, n].
        segment ids: [batch, n], unless segment_vocab_size is 0.
        position ids: [batch, n], with custom_position_ids.

    Outputs:
        The last block, [batch, n, hidden_size]. With a head, the output of the head instead; with two heads the list
        of the pooled vector (or the next-sentence probabilities) and the output of the masked-language-model head.

    Arguments:
        max_position: int. The number of positions.
        segment_vocab_size: int. The number of segments; 0 leaves the segment embeddings out.
        with_pool: bool, str or callable. Whether the pooler is added, which gives [batch, hidden_size]; True has the
            activation tanh, any other activation can be given.
        with_nsp: bool. Whether the next-sentence head is added, which gives the probabilities [batch, 2].
        with_mlm: bool, str or callable. Whether the masked-language-model head is added, which gives
            [batch, n, vocab_size]; True has the activation softmax, "linear" gives logits.
        hierarchical_position: float, bool or None. The `hierarchical` argument of `PositionEmbedding`.
        custom_position_ids: bool. Whether the position ids are an input of the model.
        shared_segment_embeddings: bool. Whether segment ids are looked up in the table of the token embeddings.
        mlm_act: str, callable or None. The activation of the Dense layer in the masked-language-model head; None takes
            hidden_act.
        embedding_mapping: bool or None. Whether a Dense layer stands between the embeddings and the blocks; None adds
            it only where embedding_size and hidden_size differ.
        kwargs: the arguments of `Transformer`.

    Raises:
        ConfigError: an argument is unknown.

    Example:
        >>> from b4k3.models import BERT
        >>> bert = BERT(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...             intermediate_size=16, hidden_act="gelu", with_mlm=True)
        >>> bert.build()
        >>> bert.model.output_shape
        (None, None, 20)

    Reference: Devlin et al., BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding,
        https://arxiv.org/abs/1810.04805, https://github.com/google-research/bert
    """

    model_key: str | None = "bert"
    network = NETWORK
    embedding_epsilon = block_epsilon = 1e-12
    untied_bias = True
    absent_heads: Mapping[str, str] = {}  # argument of a head that a subclass does not have -> the reason

    def __init__(
        self,
        *,
        max_position: int = 512,
        segment_vocab_size: int = 2,
        with_pool: Head = False,
        with_nsp: bool = False,
        with_mlm: Head = False,
        hierarchical_position: float | bool | None = None,
        custom_position_ids: bool = False,
        shared_segment_embeddings: bool = False,
        mlm_act: Activation | None = None,
        embedding_mapping: bool | None = None,
        **kwargs: Any,
    ) -> None:
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

    def get_inputs(self) -> Tensor | list[Tensor]:
        """Make the input tensors.

        Returns:
            The list of token ids, segment ids and position ids, [batch, n] each, as far as the model has them.
        """
        inputs = [self.input_ids("Input-Token")]  # [batch, n]
        if self.segment_vocab_size > 0:
            inputs.append(self.input_ids("Input-Segment"))  # [batch, n]
        if self.custom_position_ids:
            inputs.append(self.input_ids("Input-Position"))  # [batch, n]
        return inputs

    # ---------------------------------------------------------------------------------------------- embeddings

    def apply_embeddings(self, inputs: Tensor | list[Tensor]) -> Tensor:
        """Embed tokens, segments and positions; normalise, drop out and map to the width of the blocks.

        Arguments:
            inputs: tensors, [batch, n] each. What `get_inputs` returned.

        Returns:
            Tensor, [batch, n, hidden_size].
        """
        inputs = as_list(inputs)
        x = self.embed_tokens(inputs)  # [batch, n, embedding_size]
        x = self.embed_positions(x, self.position_input(inputs))  # [batch, n, embedding_size]
        x = self.drop_embeddings(self.normalize_embeddings(x))  # [batch, n, embedding_size]
        return self.map_embeddings(x)  # [batch, n, hidden_size]

    def embed_tokens(self, inputs: list[Tensor]) -> Tensor:
        """Add the embeddings of tokens and segments.

        Arguments:
            inputs: list of tensors, [batch, n] each. The inputs of the model.

        Returns:
            Tensor, [batch, n, embedding_size].
        """
        x = self.embed(inputs[0], self.vocab_size, "Embedding-Token", mask_zero=True)  # [batch, n, embedding_size]
        if not self.segment_vocab_size:
            return x
        name = "Embedding-Token" if self.shared_segment_embeddings else "Embedding-Segment"
        s = self.embed(inputs[1], self.segment_vocab_size, name)  # [batch, n, embedding_size]
        return self.apply([x, s], Add, name="Embedding-Token-Segment")  # [batch, n, embedding_size]

    def embed(self, ids: Tensor, rows: int, name: str, mask_zero: bool = False) -> Tensor:
        """Look ids up in a table.

        Arguments:
            ids: tensor, [batch, n].
            rows: int. The number of rows of the table.
            name: str. The name of the embedding layer.
            mask_zero: bool. Whether the layer masks the padding id.

        Returns:
            Tensor, [batch, n, embedding_size].
        """
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

    def position_input(self, inputs: list[Tensor]) -> Tensor | None:
        """Pick the position ids among the inputs of the model.

        Arguments:
            inputs: list of tensors, [batch, n] each. The inputs of the model.

        Returns:
            Tensor, [batch, n]; None if positions are no input.
        """
        return inputs[2 if self.segment_vocab_size else 1] if self.custom_position_ids else None

    def embed_positions(self, x: Tensor, position_ids: Tensor | None) -> Tensor:
        """Add the learned position embeddings.

        Arguments:
            x: tensor, [batch, n, embedding_size].
            position_ids: tensor, [batch, n]; None counts the positions from 0.

        Returns:
            Tensor, [batch, n, embedding_size].
        """
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

    def normalize_embeddings(self, x: Tensor) -> Tensor:
        """Normalise the embeddings.

        Arguments:
            x: tensor, [batch, n, embedding_size].

        Returns:
            Tensor, [batch, n, embedding_size].
        """
        return self.normalize(x, "Embedding-Norm", self.embedding_epsilon)

    def drop_embeddings(self, x: Tensor) -> Tensor:
        """Apply dropout to the embeddings.

        Arguments:
            x: tensor, [batch, n, embedding_size].

        Returns:
            Tensor, [batch, n, embedding_size].
        """
        return self.drop(x, "Embedding-Dropout")

    def map_embeddings(self, x: Tensor) -> Tensor:
        """Map the embeddings to the width of the blocks, where the two sizes differ.

        Arguments:
            x: tensor, [batch, n, embedding_size].

        Returns:
            Tensor, [batch, n, hidden_size].
        """
        if not self.embedding_mapping:
            return x
        return self.dense(x, self.hidden_size, "Embedding-Mapping", use_bias=self.use_bias)

    # -------------------------------------------------------------------------------------------------- blocks

    def apply_main_layers(self, inputs: Tensor, index: int) -> Tensor:
        """Apply one block.

        Arguments:
            inputs: tensor, [batch, n, hidden_size].
            index: int. The number of the block.

        Returns:
            Tensor, [batch, n, hidden_size].
        """
        return self.apply_block(inputs, f"Transformer-{index}", index)

    def apply_block(self, x: Tensor, block: str, index: int) -> Tensor:
        """Apply attention, Dropout, Add and Norm, then feed-forward, Dropout, Add and Norm.

        Arguments:
            x: tensor, [batch, n, hidden_size].
            block: str. The beginning of the names of the block's layers.
            index: int. The number of the block.

        Returns:
            Tensor, [batch, n, hidden_size].
        """
        name = f"{block}-MultiHeadSelfAttention"
        x = self.residual(x, self.apply_attention(x, name, index), name)  # [batch, n, hidden_size]
        name = f"{block}-FeedForward"
        return self.residual(x, self.feed_forward(x, name), name)  # [batch, n, hidden_size]

    def apply_attention(self, x: Tensor, name: str, index: int) -> Tensor:
        """Apply multi-head self-attention.

        Arguments:
            x: tensor, [batch, n, hidden_size].
            name: str. The name of the attention layer.
            index: int. The number of the block.

        Returns:
            Tensor, [batch, n, hidden_size].
        """
        bias = self.compute_attention_bias(index)  # of a mask, for instance; None in BERT
        position = self.compute_position_bias(x)  # None in BERT, whose positions are embedded
        scale = self.attention_scale_of(index)
        return self.attend(x, x, name, bias, position, scale)  # [batch, n, hidden_size]

    def attention_scale_of(self, index: int) -> Scale:
        """Choose the `attention_scale` argument of `MultiHeadAttention` for a block.

        Arguments:
            index: int. The number of the block.

        Returns:
            True for the usual scale, key_size ** -0.5; False for 1; or the scale itself, a float.
        """
        return self.attention_scale

    def residual(self, x: Tensor, y: Tensor, name: str) -> Tensor:
        """Add the output of a sublayer to its input: Norm(x + Dropout(y)).

        Arguments:
            x: tensor, [batch, n, hidden_size]. The input of the sublayer.
            y: tensor, [batch, n, hidden_size]. The output of the sublayer.
            name: str. The name of the sublayer.

        Returns:
            Tensor, [batch, n, hidden_size].
        """
        return self.normalize(self.add(x, y, name), f"{name}-Norm", self.block_epsilon)

    # --------------------------------------------------------------------------------------------------- heads

    def apply_final_layers(self, inputs: Tensor) -> Tensor | list[Tensor]:
        """Apply the heads that were asked for.

        Arguments:
            inputs: tensor, [batch, n, hidden_size]. The last block.

        Returns:
            The output of the only head, the list of the outputs of two heads, or `inputs` if there is no head.
        """
        outputs = []
        if self.with_pool:
            activation = "tanh" if self.with_pool is True else self.with_pool
            x = self.apply(inputs, FirstToken, name="Pooler")  # [batch, hidden_size]
            x = self.dense(x, self.hidden_size, "Pooler-Dense", activation)  # [batch, hidden_size]
            if self.with_nsp:
                x = self.dense(x, 2, "NSP-Proba", "softmax")  # [batch, 2]
            outputs.append(x)
        if self.with_mlm:
            outputs.append(self.apply_mlm(inputs))  # [batch, n, vocab_size]
        return self.simplify(outputs or [inputs])

    def apply_mlm(self, x: Tensor) -> Tensor:
        """Apply the masked-language-model head, whose last matrix may be the token embeddings.

        Arguments:
            x: tensor, [batch, n, hidden_size].

        Returns:
            Tensor, [batch, n, vocab_size], in float32.
        """
        x = self.dense(x, self.embedding_size, "MLM-Dense", self.mlm_act)  # [batch, n, embedding_size]
        x = self.normalize(x, "MLM-Norm")  # [batch, n, embedding_size]
        x = self.project_to_vocabulary(x, "MLM-Decoder")  # [batch, n, vocab_size]
        if self.tie_word_embeddings:
            x = self.apply(x, ScaleOffset, scale=False, name="MLM-Bias")  # [batch, n, vocab_size]
        activation = activations.get("softmax" if self.with_mlm is True else self.with_mlm)
        return self.apply(x, keras.layers.Activation, activation=activation, dtype="float32", name="MLM-Activation")


class NormalizedFirst(BERT):
    """The base of networks with BERT's layers in which a sublayer computes x + Dropout(sublayer(Norm(x))).

    Arguments:
        kwargs: the arguments of `BERT`.

    Raises:
        ConfigError: an argument is unknown.

    Example:
        >>> from b4k3.models import GPT2
        >>> issubclass(GPT2, NormalizedFirst)
        True
    """

    # -------------------------------------------------------------------------------------------------- blocks

    def apply_block(self, x: Tensor, block: str, index: int) -> Tensor:
        """Apply Norm, attention, Dropout and Add, then Norm, feed-forward, Dropout and Add.

        Arguments:
            x: tensor, [batch, n, hidden_size].
            block: str. The beginning of the names of the block's layers.
            index: int. The number of the block.

        Returns:
            Tensor, [batch, n, hidden_size].
        """
        name = f"{block}-MultiHeadSelfAttention"
        y = self.normalize(x, f"{name}-Norm", self.block_epsilon)  # [batch, n, hidden_size]
        x = self.add(x, self.apply_attention(y, name, index), name)  # [batch, n, hidden_size]
        name = f"{block}-FeedForward"
        y = self.normalize(x, f"{name}-Norm", self.block_epsilon)  # [batch, n, hidden_size]
        return self.add(x, self.feed_forward(y, name), name)  # [batch, n, hidden_size]


def refuse_heads(architecture: type[BERT], given: Mapping[str, Any]) -> None:
    """Refuse heads that a network does not have.

    Arguments:
        architecture: class. Its attribute `absent_heads` maps the argument of a head to a sentence that says why the
            network has no such head.
        given: dict. The arguments of the call.

    Raises:
        ConfigError: one of these heads is asked for.
    """
    for head, reason in architecture.absent_heads.items():
        if given.get(head):
            raise ConfigError(f"{head}: {architecture.__name__} has no such head; {reason}")
