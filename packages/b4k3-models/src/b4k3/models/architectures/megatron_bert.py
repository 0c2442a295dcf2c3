"""MegatronBERT: BERT that normalises before each sublayer, and once more after the last block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..networks.megatron_bert import MEGATRON_BERT as NETWORK
from .bert import NormalizedFirst

if TYPE_CHECKING:
    from b4k3.backend import Tensor


class MegatronBERT(NormalizedFirst):
    """MegatronBERT of NVIDIA, which is also Erlangshen-MegatronBert of IDEA: BERT that normalises before, not after.

    The inputs, outputs, heads and arguments are the same as in `BERT`. Each sublayer computes
    x + Dropout(sublayer(Norm(x))), the embeddings are not normalised, and the last block is.

    Arguments:
        kwargs: the arguments of `BERT`.

    Raises:
        ConfigError: an argument is unknown.

    Example:
        >>> from b4k3.models import MegatronBERT
        >>> bert = MegatronBERT(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...                     intermediate_size=16, hidden_act="gelu")
        >>> bert.build()
        >>> bert.model.output_shape
        (None, None, 8)

    Reference: Shoeybi et al., Megatron-LM, https://arxiv.org/abs/1909.08053, https://github.com/NVIDIA/Megatron-LM;
        Wang et al., Fengshenbang, https://arxiv.org/abs/2209.02970
    """

    model_key = "megatron_bert"
    network = NETWORK

    # ---------------------------------------------------------------------------------------------- embeddings

    def normalize_embeddings(self, x: Tensor) -> Tensor:
        """Return the embeddings as they are: the first block normalises them.

        Arguments:
            x: tensor, [batch, n, embedding_size].

        Returns:
            Tensor, [batch, n, embedding_size]: x.
        """
        return x

    # --------------------------------------------------------------------------------------------------- heads

    def apply_final_layers(self, inputs: Tensor) -> Tensor | list[Tensor]:
        """Normalise the last block, and apply the heads that were asked for.

        Arguments:
            inputs: tensor, [batch, n, hidden_size]. The last block.

        Returns:
            The output of the only head, the list of the outputs of two heads, or the normalised block if there is no
            head.
        """
        return super().apply_final_layers(self.normalize(inputs, "Output-Norm", self.block_epsilon))
