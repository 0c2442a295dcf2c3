"""What the encoder and the decoder of BART have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from b4k3.layers import Embedding, PositionEmbedding, ScaleOffset

from ..errors import ConfigError
from ..networks.bart import BART, BEFORE_POSITIONS, EPSILON
from ..transformer import Transformer

if TYPE_CHECKING:
    from b4k3.backend import Tensor


class BART_Base(Transformer):  # noqa: N801 (as T5_Base)
    """The base class of the encoder, the decoder and the whole of BART.

    In every block a normalisation comes after each sublayer: Norm(x + Dropout(sublayer(x))). The heads of an attention
    layer fill the width, and the embeddings are as wide as the blocks.

    Arguments:
        num_decoder_layers: int or None. The number of blocks of the decoder; None takes num_hidden_layers.
        num_decoder_attention_heads: int or None. The number of heads of the decoder; None takes num_attention_heads.
        decoder_intermediate_size: int or None. The size of the hidden layer of the decoder's feed-forward blocks; None
            takes intermediate_size.
        max_position: int. The number of positions. The tables of positions have two more rows.
        scale_embedding: bool. Whether the token embeddings are multiplied by the square root of hidden_size.
        pad_token_id: int or None. The id of padding; None is 1, as in the files of BART's authors.
        kwargs: the arguments of `Transformer`. If the output is not tied (tie_word_embeddings=False), the encoder and
            the decoder have a table of token embeddings each.

    Raises:
        ConfigError: the heads of a side do not fill the width, or the embeddings have another width.

    Example:
        >>> from b4k3.models import BART_Encoder  # a subclass; this class itself has no inputs
        >>> encoder = BART_Encoder(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...                        intermediate_size=16, hidden_act="gelu", max_position=32)
        >>> encoder.build()
        >>> encoder.model.output_shape
        (None, None, 8)

    Reference: Lewis et al., BART, https://arxiv.org/abs/1910.13461,
        https://github.com/facebookresearch/fairseq/tree/main/examples/bart
    """

    model_key: str | None = "bart"
    network = BART
    applications = ("encoder",)
    own_tables = True  # whether each side has a table of token embeddings if the output is not tied to them

    def __init__(
        self,
        *,
        num_decoder_layers: int | None = None,
        num_decoder_attention_heads: int | None = None,
        decoder_intermediate_size: int | None = None,
        max_position: int = 1024,
        scale_embedding: bool = False,
        pad_token_id: int | None = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(pad_token_id=1 if pad_token_id is None else pad_token_id, **kwargs)

        def or_else(value: int | None, of_encoder: int) -> int:
            """Return the value, or what the encoder has if it is None."""
            return of_encoder if value is None else value

        self.num_decoder_layers = or_else(num_decoder_layers, self.num_hidden_layers)
        self.num_decoder_attention_heads = or_else(num_decoder_attention_heads, self.num_attention_heads)
        self.decoder_intermediate_size = or_else(decoder_intermediate_size, self.intermediate_size)
        self.max_position = max_position
        self.scale_embedding = scale_embedding
        for heads in (self.num_attention_heads, self.num_decoder_attention_heads):
            if self.hidden_size % heads:
                raise ConfigError(f"hidden_size={self.hidden_size} is no multiple of the {heads} heads of a side")
        for name, wanted in (
            ("attention_head_size", self.hidden_size // self.num_attention_heads),
            ("attention_key_size", self.hidden_size // self.num_attention_heads),
            ("embedding_size", self.hidden_size),
        ):
            if getattr(self, name) != wanted:
                raise ConfigError(f"{name}={getattr(self, name)}: {type(self).__name__} always has {wanted}")

    # ---------------------------------------------------------------------------------------------- embeddings

    def embed(self, ids: Tensor, part: str) -> Tensor:
        """Embed the tokens, add the positions, normalise and drop out.

        Arguments:
            ids: tensor, [batch, n].
            part: str. "Encoder" or "Decoder", the beginning of the names of the layers.

        Returns:
            Tensor, [batch, n, hidden_size].
        """
        own = self.own_tables and not self.tie_word_embeddings
        x = self.apply(  # [batch, n, hidden_size]
            ids,
            Embedding,
            input_dim=self.vocab_size,
            output_dim=self.hidden_size,
            embeddings_initializer=self.initializer,
            mask_zero=True,
            padding_id=self.pad_token_id,
            name=f"{part}-Embedding-Token" if own else "Embedding-Token",
        )
        if self.scale_embedding:
            x = self.apply(
                x, ScaleOffset, scale=self.hidden_size**0.5, offset=False, name=f"{part}-Embedding-Scale"
            )  # [batch, n, hidden_size]
        x = self.apply(  # [batch, n, hidden_size]
            x,
            PositionEmbedding,
            input_dim=self.max_position + BEFORE_POSITIONS,
            output_dim=self.hidden_size,
            merge_mode="add",
            embeddings_initializer=self.initializer,
            first_row=BEFORE_POSITIONS,
            name=f"{part}-Embedding-Position",
        )
        x = self.normalize(x, f"{part}-Embedding-Norm")  # [batch, n, hidden_size]
        return self.drop(x, f"{part}-Embedding-Dropout")  # [batch, n, hidden_size]

    # -------------------------------------------------------------------------------------------------- blocks

    def residual(self, x: Tensor, y: Tensor, name: str) -> Tensor:
        """Add the output of a sublayer to its input: Norm(x + Dropout(y)).

        Arguments:
            x: tensor, [batch, n, hidden_size]. The input of the sublayer.
            y: tensor, [batch, n, hidden_size]. The output of the sublayer.
            name: str. The name of the sublayer.

        Returns:
            Tensor, [batch, n, hidden_size].
        """
        return self.normalize(self.add(x, y, name), f"{name}-Norm")

    def normalize(self, x: Tensor, name: str, epsilon: float = EPSILON, **kwargs: Any) -> Tensor:
        """Apply layer normalisation.

        Arguments:
            x: tensor, [batch, n, d].
            name: str. The name of the layer.
            epsilon: float. The epsilon of the architecture; `layer_norm_eps` replaces it.
            kwargs: further arguments of `LayerNormalization`.

        Returns:
            Tensor, [batch, n, d].
        """
        return super().normalize(x, name, epsilon, **kwargs)
