"""What the encoders and decoders of T5, T5.1.1, mT5, umT5 and T5-PEGASUS have in common, and how they differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from b4k3.layers import Embedding, RelativePositionEmbeddingT5

from ..errors import ConfigError
from ..networks.t5 import T5_1_0, VERSIONS
from ..registry import network
from ..transformer import Transformer

if TYPE_CHECKING:
    from b4k3.backend import Tensor

    from ..networks.description import Network


class T5_Base(Transformer):  # noqa: N801 (a name of bert4keras)
    """The base class of the encoder, the decoder and the whole of T5.

    In every block RMS normalisation comes before each sublayer: x + Dropout(sublayer(Norm(x))). Nothing has a bias,
    and the attention scores are not scaled.

    Arguments:
        version: str or None. "t5.1.0", "t5.1.1", "mt5.1.1", "umt5" or "t5_pegasus"; None is the version of the class.
            The names for `model=` choose it.
        num_decoder_layers: int or None. The number of blocks of the decoder; None takes num_hidden_layers.
        relative_attention_num_buckets: int. The number of rows of the tables of relative positions.
        relative_attention_max_distance: int. All distances from here on share a row.
        kwargs: the arguments of `Transformer`. In a config file "gelu" means the tanh form, as Google's code computes
            it; in a config of t5_pegasus, and in the arguments of a call, it means the erf form.

    Raises:
        ConfigError: the version is unknown.

    Example:
        >>> from b4k3.models import T5_Encoder  # a subclass; this class itself has no inputs
        >>> encoder = T5_Encoder(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...                      intermediate_size=16, hidden_act="relu", relative_attention_num_buckets=8)
        >>> encoder.build()
        >>> encoder.model.output_shape
        (None, None, 8)

    Reference: Raffel et al., T5, https://arxiv.org/abs/1910.10683,
        https://github.com/google-research/text-to-text-transfer-transformer; Xue et al., mT5,
        https://arxiv.org/abs/2010.11934; Chung et al., UniMax (umT5), https://arxiv.org/abs/2304.09151; T5-PEGASUS, https://github.com/ZhuiyiTechnology/t5-pegasus
    """

    model_key: str | None = "t5.1.0"
    version = "t5.1.0"
    network = T5_1_0
    side = ""  # "_encoder" or "_decoder" for a class that is only one half
    applications = ("encoder",)
    use_bias = False
    attention_scale = False
    position_kind = "t5_relative"

    def __init__(
        self,
        *,
        version: str | None = None,
        num_decoder_layers: int | None = None,
        relative_attention_num_buckets: int = 32,
        relative_attention_max_distance: int = 128,
        **kwargs: Any,
    ) -> None:
        self.model_key = self.version = version or self.version
        if self.version not in VERSIONS:
            known = ", ".join(map(repr, VERSIONS))
            raise ConfigError(f"version={version!r}, expected one of {known}")
        super().__init__(**kwargs)
        self.traits = VERSIONS[self.version]
        self.num_decoder_layers = self.num_hidden_layers if num_decoder_layers is None else num_decoder_layers
        self.relative_attention_num_buckets = relative_attention_num_buckets
        self.relative_attention_max_distance = relative_attention_max_distance

    # ---------------------------------------------------------------------------------------------- embeddings

    def embed(self, ids: Tensor, part: str) -> Tensor:
        """Embed the tokens; drop out and map to the width of the blocks.

        Arguments:
            ids: tensor, [batch, n].
            part: str. "Encoder" or "Decoder", the beginning of the names of the layers.

        Returns:
            Tensor, [batch, n, hidden_size].
        """
        x = self.apply(  # [batch, n, embedding_size]
            ids,
            Embedding,
            input_dim=self.vocab_size,
            output_dim=self.embedding_size,
            embeddings_initializer=self.initializer,
            mask_zero=True,
            padding_id=self.pad_token_id,
            name="Embedding-Token",
        )
        x = self.drop(x, f"{part}-Embedding-Dropout")
        if self.embedding_size == self.hidden_size:
            return x
        return self.dense(x, self.hidden_size, f"{part}-Embedding-Mapping")

    def relative_positions(self, x: Tensor, keys: Tensor, part: str, index: int = 0) -> Tensor:
        """Compute the attention bias of each distance and head.

        Arguments:
            x: tensor, [batch, n, hidden_size]. The queries, read for their length.
            keys: tensor, [batch, m, hidden_size]. The keys, read for their length.
            part: str. "Encoder" or "Decoder".
            index: int. The number of the block, which counts only if every block has a table of its own.

        Returns:
            Tensor, [n, m, num_attention_heads].
        """
        block = f"Transformer-{index}" if self.traits.table_per_block else "Embedding"
        return self.apply(
            [x, keys],
            RelativePositionEmbeddingT5,
            input_dim=self.relative_attention_num_buckets,
            output_dim=self.num_attention_heads,
            max_distance=self.relative_attention_max_distance,
            bidirectional=part == "Encoder",
            embeddings_initializer=self.initializer,
            name=f"{part}-{block}-Relative-Position",
        )

    # -------------------------------------------------------------------------------------------------- blocks

    def apply_attention(
        self,
        x: Tensor,
        name: str,
        keys: Tensor | None = None,
        bias: Tensor | None = None,
        position: Tensor | None = None,
    ) -> Tensor:
        """Apply Norm, attention, Dropout and Add.

        Arguments:
            x: tensor, [batch, n, hidden_size].
            name: str. The name of the attention layer.
            keys: tensor, [batch, m, hidden_size]. The keys and values; None takes the normalised x.
            bias: tensor or None. The attention bias, for instance a causal mask.
            position: tensor, [n, m, num_attention_heads], or None. The bias of the relative positions.

        Returns:
            Tensor, [batch, n, hidden_size].
        """
        y = self.normalize(x, f"{name}-Norm")  # [batch, n, hidden_size]
        return self.add(x, self.attend(y, y if keys is None else keys, name, bias, position), name)

    def apply_feed_forward(self, x: Tensor, name: str) -> Tensor:
        """Apply Norm, feed-forward, Dropout and Add.

        Arguments:
            x: tensor, [batch, n, hidden_size].
            name: str. The name of the feed-forward layer.

        Returns:
            Tensor, [batch, n, hidden_size].
        """
        return self.add(x, self.feed_forward(self.normalize(x, f"{name}-Norm"), name), name)

    def normalize(self, x: Tensor, name: str, epsilon: float = 1e-6, **kwargs: Any) -> Tensor:
        """Apply RMS normalisation.

        Arguments:
            x: tensor, [batch, n, d].
            name: str. The name of the layer.
            epsilon: float. The epsilon of the architecture; `layer_norm_eps` replaces it.
            kwargs: further arguments of `LayerNormalization`.

        Returns:
            Tensor, [batch, n, d].
        """
        return super().normalize(x, name, epsilon, zero_mean=False, offset=False, **kwargs)

    # ------------------------------------------------------------------------------------------------- weights

    @property
    def written_description(self) -> Network:
        """The `Network` of this version, unless the class was given one of its own."""
        if self.network is not None and self.network not in BUILT_IN:
            return self.network
        return network(self.version + self.side)


BUILT_IN = tuple(network(version + side) for version in VERSIONS for side in ("", "_encoder", "_decoder"))
