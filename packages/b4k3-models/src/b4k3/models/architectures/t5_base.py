"""What the encoders and decoders of T5, T5.1.1, mT5 and T5-PEGASUS have in common, and what they differ in."""

from __future__ import annotations

from b4k3.layers import Embedding, RelativePositionEmbeddingT5

from ..errors import ConfigError
from ..networks.t5 import T5_1_0, VERSIONS
from ..registry import network
from ..transformer import Transformer


class T5_Base(Transformer):  # noqa: N801 (a name of bert4keras)
    """What the parts of T5 have in common.

    Arguments:
        version: 't5.1.0', 't5.1.1', 'mt5.1.1' or 't5_pegasus'; the names for `model=` choose it.
        num_decoder_layers: number of the decoder's blocks, num_hidden_layers by default.
        relative_attention_num_buckets: rows of the tables of relative positions.
        relative_attention_max_distance: distances from here on share a row.
        kwargs: those of `Transformer`. In a configuration, unlike in the call, 'gelu' is its tanh form, as Google's
            code computes it; of t5_pegasus it is the erf form.

    Raises:
        ConfigError: an unknown version.

    Reference: Raffel et al., T5, https://arxiv.org/abs/1910.10683,
        https://github.com/google-research/text-to-text-transfer-transformer; Xue et al., mT5,
        https://arxiv.org/abs/2010.11934; T5-PEGASUS, https://github.com/ZhuiyiTechnology/t5-pegasus
    """

    model_key = version = "t5.1.0"
    network = T5_1_0
    side = ""  # of the two stacks that it has: both, or '_encoder', '_decoder'
    applications = ("encoder",)
    use_bias = False
    attention_scale = False
    position_kind = "t5_relative"

    def __init__(
        self,
        *,
        version=None,
        num_decoder_layers=None,
        relative_attention_num_buckets=32,
        relative_attention_max_distance=128,
        **kwargs,
    ):
        self.model_key = self.version = version or self.version
        if self.version not in VERSIONS:
            raise ConfigError("version=%r, expected one of %s" % (version, ", ".join(map(repr, VERSIONS))))
        super().__init__(**kwargs)
        self.traits = VERSIONS[self.version]
        self.num_decoder_layers = self.num_hidden_layers if num_decoder_layers is None else num_decoder_layers
        self.relative_attention_num_buckets = relative_attention_num_buckets
        self.relative_attention_max_distance = relative_attention_max_distance

    # ---------------------------------------------------------------------------------------------- embeddings

    def embed(self, ids, part):
        """Token embeddings. Arguments: ids [batch, n]; 'Encoder' or 'Decoder'. Returns: [batch, n, hidden_size]."""
        x = self.apply(
            ids,
            Embedding,
            input_dim=self.vocab_size,
            output_dim=self.embedding_size,
            embeddings_initializer=self.initializer,
            mask_zero=True,
            padding_id=self.pad_token_id,
            name="Embedding-Token",
        )
        x = self.drop(x, "%s-Embedding-Dropout" % part)
        if self.embedding_size == self.hidden_size:
            return x
        return self.dense(x, self.hidden_size, "%s-Embedding-Mapping" % part)

    def relative_positions(self, x, keys, part):
        """A bias for each distance and head. Arguments: x [batch, n, …]; keys [batch, m, …]. Returns: [n, m, heads]."""
        return self.apply(
            [x, keys],
            RelativePositionEmbeddingT5,
            input_dim=self.relative_attention_num_buckets,
            output_dim=self.num_attention_heads,
            max_distance=self.relative_attention_max_distance,
            bidirectional=part == "Encoder",
            embeddings_initializer=self.initializer,
            name="%s-Embedding-Relative-Position" % part,
        )

    # -------------------------------------------------------------------------------------------------- blocks

    def apply_attention(self, x, name, keys=None, bias=None, position=None):
        """Norm, attention, Dropout, Add.

        Arguments:
            x: [batch, n, hidden_size].
            name: of the attention layer.
            keys: [batch, m, hidden_size], what is looked at; None for x itself.
            bias, position: as of `attend`.
        """
        y = self.normalize(x, "%s-Norm" % name)
        return self.add(x, self.attend(y, y if keys is None else keys, name, bias, position), name)

    def apply_feed_forward(self, x, name):
        """Norm, FeedForward, Dropout, Add. Arguments: x [batch, n, hidden_size]; name of the layer."""
        return self.add(x, self.feed_forward(self.normalize(x, "%s-Norm" % name), name), name)

    def normalize(self, x, name, epsilon=1e-6, **kwargs):
        """RMS normalisation."""
        return super().normalize(x, name, epsilon, zero_mean=False, offset=False, **kwargs)

    # ------------------------------------------------------------------------------------------------- weights

    @property
    def written_description(self):
        return network(self.version + self.side) if self.network in BUILT_IN else self.network


BUILT_IN = tuple(network(version + side) for version in VERSIONS for side in ("", "_encoder", "_decoder"))
