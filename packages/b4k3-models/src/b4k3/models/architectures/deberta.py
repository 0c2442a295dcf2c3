"""DeBERTa-v2, DeBERTa-v3 and mDeBERTa: BERT whose attention also scores the distances of tokens."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any, Sequence

from b4k3.backend import activations, keras
from b4k3.layers import (
    Add,
    DisentangledAttention,
    DistanceEmbedding,
    LayerNormalization,
    TokenConvolution,
    ZeroPadding,
)

from ..errors import ConfigError, short
from ..networks.deberta import DEBERTA_V2 as NETWORK, normalization_of_positions, position_terms
from ..transformer import as_list
from .bert import BERT, refuse_heads

if TYPE_CHECKING:
    from b4k3.backend import Tensor

    from .bert import Activation


class DeBERTaV2(BERT):
    """DeBERTa-v2 and its successors: BERT with disentangled attention.

    A score of attention is the sum of three products: of two contents, of the query's content with the distance of the
    key ('c2p'), and of the key's content with the same distance ('p2c'). Distances fall into logarithmic buckets.

    The inputs are the token ids [batch, n], with segment_vocab_size the segment ids [batch, n], and with
    custom_position_ids the position ids [batch, n], which only the position embeddings read. The outputs are the same
    as in `BERT`.

    Arguments:
        position_biased_input: bool. Whether position embeddings are added to the token embeddings.
        relative_attention: bool. Whether the scores depend on relative positions.
        pos_att_type: list of str, or str. The position terms, 'c2p' and 'p2c'; "c2p|p2c" is the same.
        share_att_key: bool. Whether positions are projected by the matrices of queries and keys.
        position_buckets: int. The number of buckets in each direction; -1 gives each distance a row of its own.
        max_relative_positions: int. Greater distances share a row; -1 means max_position.
        norm_rel_ebd: str. 'layer_norm' if the table of relative positions is normalised, else 'none'.
        conv_kernel_size: int. The width of the convolution that is added to the first block; 0 leaves it out.
        conv_act: str or callable. The activation of the convolution.
        pooler_hidden_act: str or callable. The activation of the pooler.
        segment_vocab_size: int. The number of segments; 0 leaves the segment embeddings out.
        layer_norm_eps: float or None. The epsilon of every layer normalisation; None means 1e-7.
        kwargs: the arguments of `BERT`, without the next-sentence head.

    Raises:
        ConfigError: with_nsp is asked for, an argument has an impossible value, or position ids are asked for that
            nothing would read.

    Example:
        >>> from b4k3.models import DeBERTaV2
        >>> deberta = DeBERTaV2(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...                     intermediate_size=16, hidden_act="gelu", relative_attention=True,
        ...                     pos_att_type="c2p|p2c", position_buckets=8, share_att_key=True)
        >>> deberta.build()
        >>> deberta.model.output_shape
        (None, None, 8)

    Reference: He et al., DeBERTa, https://arxiv.org/abs/2006.03654; He et al., DeBERTaV3,
        https://arxiv.org/abs/2111.09543, https://github.com/microsoft/DeBERTa
    """

    model_key = "deberta_v2"
    network = NETWORK
    applications = ("encoder",)
    position_kind = "disentangled"
    absent_heads = {"with_nsp": "it was trained without sentence pairs"}

    def __init__(
        self,
        *,
        position_biased_input: bool = True,
        relative_attention: bool = False,
        pos_att_type: Sequence[str] | str | None = None,
        share_att_key: bool = False,
        position_buckets: int | None = -1,
        max_relative_positions: int | None = -1,
        norm_rel_ebd: str | None = "none",
        conv_kernel_size: int = 0,
        conv_act: Activation = "tanh",
        pooler_hidden_act: Activation = "gelu",
        segment_vocab_size: int = 0,
        layer_norm_eps: float | None = 1e-7,
        **kwargs: Any,
    ) -> None:
        refuse_heads(type(self), kwargs)
        epsilon = 1e-7 if layer_norm_eps is None else layer_norm_eps
        super().__init__(segment_vocab_size=segment_vocab_size, layer_norm_eps=epsilon, **kwargs)
        self.position_biased_input = position_biased_input
        self.pos_att_type = position_terms(pos_att_type)
        self.relative_attention = bool(relative_attention and self.pos_att_type)
        self.share_att_key = share_att_key
        self.position_buckets = checked("position_buckets", position_buckets, -1)
        self.max_relative_positions = checked("max_relative_positions", max_relative_positions, -1)
        self.norm_rel_ebd = normalization_of_positions(norm_rel_ebd)
        self.conv_kernel_size = checked("conv_kernel_size", conv_kernel_size, 0)
        self.conv_act = conv_act
        self.pooler_hidden_act = pooler_hidden_act
        self.with_pool = pooler_hidden_act if self.with_pool is True else self.with_pool
        if self.relative_attention:
            self.attention_layer = DisentangledAttention
            self.attention_options = {"position_terms": self.pos_att_type, "shared_projections": bool(share_att_key)}
        self.attention_scale = (self.attention_key_size * (1 + len(self.pos_att_type))) ** -0.5
        self.farthest = self.max_relative_positions if self.max_relative_positions > 0 else self.max_position
        refuse_misfits(self)

    # ---------------------------------------------------------------------------------------------- embeddings

    def apply_embeddings(self, inputs: Tensor | list[Tensor]) -> Tensor:
        """Embed tokens, segments and positions; map, normalise, write zeros at padding, and drop out.

        Arguments:
            inputs: tensors, [batch, n] each. What `get_inputs` returned.

        Returns:
            Tensor, [batch, n, hidden_size].
        """
        inputs = as_list(inputs)
        x = self.embed_tokens(inputs)  # [batch, n, embedding_size]
        if self.position_biased_input:
            x = self.embed_positions(x, self.position_input(inputs))  # [batch, n, embedding_size]
        x = self.normalize_embeddings(self.map_embeddings(x))  # [batch, n, hidden_size]
        x = self.apply(x, ZeroPadding, name="Embedding-Padding")  # [batch, n, hidden_size]
        return self.drop_embeddings(x)

    def map_embeddings(self, x: Tensor) -> Tensor:
        """Map the embeddings to the width of the blocks by a matrix without bias, where the two sizes differ.

        Arguments:
            x: tensor, [batch, n, embedding_size].

        Returns:
            Tensor, [batch, n, hidden_size].
        """
        if not self.embedding_mapping:
            return x
        return self.dense(x, self.hidden_size, "Embedding-Mapping", use_bias=False)

    def compute_position_bias(self, inputs: Tensor | None = None) -> Tensor | None:
        """Look up the vector of each distance once; all blocks share it.

        Arguments:
            inputs: tensor, [batch, n, hidden_size]. The input of a block.

        Returns:
            Tensor, [2n - 1, hidden_size]; None if attention has no relative positions.
        """
        if self.position_bias is None and self.relative_attention:
            buckets, name = self.position_buckets > 0, "Embedding-Relative-Position"
            rows = self.apply(
                inputs,
                DistanceEmbedding,
                input_dim=2 * (self.position_buckets if buckets else self.farthest),
                output_dim=self.hidden_size,
                max_distance=self.farthest if buckets else None,
                embeddings_initializer=self.initializer,
                name=name,
            )
            if self.norm_rel_ebd == "layer_norm":  # never conditional, because the rows belong to no example
                rows = self.apply(rows, LayerNormalization, epsilon=self.layer_norm_eps, name=f"{name}-Norm")
            self.position_bias = rows
        return self.position_bias

    # -------------------------------------------------------------------------------------------------- blocks

    def apply_block(self, x: Tensor, block: str, index: int) -> Tensor:
        """Apply a block of BERT; to the first one the convolution of the embeddings is added.

        Arguments:
            x: tensor, [batch, n, hidden_size].
            block: str. The beginning of the names of the block's layers.
            index: int. The number of the block.

        Returns:
            Tensor, [batch, n, hidden_size].
        """
        y = super().apply_block(x, block, index)  # [batch, n, hidden_size]
        return self.add_convolution(x, y) if index == 0 and self.conv_kernel_size else y

    def add_convolution(self, x: Tensor, y: Tensor) -> Tensor:
        """Compute Norm(y + act(Dropout(convolution(x)))), with zeros at padding.

        Arguments:
            x: tensor, [batch, n, hidden_size]. The embeddings.
            y: tensor, [batch, n, hidden_size]. The first block.

        Returns:
            Tensor, [batch, n, hidden_size].
        """
        sizes = {"units": self.hidden_size, "kernel_size": self.conv_kernel_size}
        x = self.apply(x, TokenConvolution, kernel_initializer=self.initializer, name="Convolution", **sizes)
        x = self.drop(x, "Convolution-Dropout")  # [batch, n, hidden_size]
        activation = activations.get(self.conv_act)
        x = self.apply(x, keras.layers.Activation, activation=activation, name="Convolution-Activation")
        x = self.apply([y, x], Add, name="Convolution-Add")  # [batch, n, hidden_size]
        return self.apply(self.normalize(x, "Convolution-Norm"), ZeroPadding, name="Convolution-Padding")

    def apply_attention(self, x: Tensor, name: str, index: int) -> Tensor:
        """Apply disentangled self-attention.

        Arguments:
            x: tensor, [batch, n, hidden_size].
            name: str. The name of the attention layer.
            index: int. The number of the block.

        Returns:
            Tensor, [batch, n, hidden_size].
        """
        rows = self.compute_position_bias(x)  # [2n - 1, hidden_size]
        positions = None
        if rows is not None:
            rows = self.drop(rows, f"{name}-Position-Dropout")  # [2n - 1, hidden_size]
            positions = [self.project_positions(rows, name, term) for term in self.pos_att_type]
        return self.attend(x, x, name, self.compute_attention_bias(index), positions)  # [batch, n, hidden_size]

    def project_positions(self, rows: Tensor, name: str, term: str) -> Tensor:
        """Project the vectors of distances for one term, unless the attention layer does it.

        Arguments:
            rows: tensor, [2n - 1, hidden_size].
            name: str. The name of the attention layer.
            term: str. 'c2p', whose vectors are keys, or 'p2c', whose vectors are queries.

        Returns:
            Tensor, [2n - 1, heads · key_size]; with share_att_key `rows`.
        """
        if self.share_att_key:
            return rows
        units = self.num_attention_heads * self.attention_key_size
        return self.dense(rows, units, f"{name}-Position-{'Key' if term == 'c2p' else 'Query'}")


def refuse_misfits(model: DeBERTaV2) -> None:
    """Refuse arguments that do not fit each other.

    Arguments:
        model: `DeBERTaV2`. It has its arguments as attributes.

    Raises:
        ConfigError: the kernel of the convolution is even, there are too many buckets, or nothing would read the
            position ids that are to be an input.
    """
    if model.custom_position_ids and not model.position_biased_input:
        raise ConfigError(
            "custom_position_ids: nothing reads position ids if position_biased_input is false, because attention "
            "has the distances of tokens in the sequence"
        )
    if model.conv_kernel_size and model.conv_kernel_size % 2 == 0:
        raise ConfigError(f"conv_kernel_size={model.conv_kernel_size}, expected an odd number, or 0 for none")
    if model.position_buckets > 0 and not 1 <= model.position_buckets // 2 < model.farthest - 1:
        raise ConfigError(
            f"position_buckets={model.position_buckets} leaves no buckets for the distances up to {model.farthest}: "
            "give a max_relative_positions above 1 + position_buckets // 2, or position_buckets=-1"
        )


def checked(key: str, value: Any, least: int) -> int:
    """Check a whole number among the arguments.

    Arguments:
        key: str. The name of the argument, for the message.
        value: int or None. None is `least`.
        least: int. The least value.

    Returns:
        int.

    Raises:
        ConfigError: it is no whole number, less than `least`, or absurdly large.
    """
    if value is None:
        return least
    if isinstance(value, bool) or not isinstance(value, Integral) or not least <= int(value) <= 10**6:
        raise ConfigError(f"{key}={short(value)}, expected an int from {least} to {10**6}")
    return int(value)
