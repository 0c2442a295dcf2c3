"""ELECTRA: the discriminator, which is the pretrained encoder, and the generator that the same files contain.

Both are the network of BERT. They differ from it in the heads and in what they were trained for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Mapping

from ..networks import electra as networks
from .bert import BERT, refuse_heads

if TYPE_CHECKING:
    import numpy as np

    from b4k3.backend import Tensor

    from ..dialects import View
    from .bert import Head


class ELECTRA(BERT):
    """The discriminator of ELECTRA: BERT trained to find the tokens that a generator has replaced.

    The inputs are the same as in `BERT`. The output is the last block [batch, n, hidden_size]; with_discriminator
    gives [batch, n, 1] instead, one number for each token.

    Arguments:
        with_discriminator: bool, str or callable. Whether the head that finds replaced tokens is added; True has the
            activation sigmoid, "linear" gives logits.
        kwargs: the arguments of `BERT`, without its heads.

    Raises:
        ConfigError: a head is asked for that ELECTRA does not have.

    Example:
        >>> from b4k3.models import ELECTRA
        >>> electra = ELECTRA(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...                   intermediate_size=16, hidden_act="gelu", with_discriminator=True)
        >>> electra.build()
        >>> electra.model.output_shape
        (None, None, 1)

    Reference: Clark et al., ELECTRA, https://arxiv.org/abs/2003.10555, https://github.com/google-research/electra
    """

    model_key = "electra"
    network = networks.ELECTRA
    applications = ("encoder",)
    absent_heads = {
        "with_pool": "the first token's vector is output[:, 0]",
        "with_nsp": "it was trained without sentence pairs",
        "with_mlm": "the head belongs to the generator, model='electra_generator'",
    }

    def __init__(self, *, with_discriminator: Head = False, **kwargs: Any) -> None:
        refuse_heads(type(self), dict(kwargs, with_discriminator=with_discriminator))
        super().__init__(**kwargs)
        self.with_discriminator = with_discriminator

    # --------------------------------------------------------------------------------------------------- heads

    def apply_final_layers(self, inputs: Tensor) -> Tensor | list[Tensor]:
        """Apply the head that finds replaced tokens, if it was asked for.

        Arguments:
            inputs: tensor, [batch, n, hidden_size]. The last block.

        Returns:
            Tensor, [batch, n, 1]; `inputs` without the head.
        """
        if not self.with_discriminator:
            return inputs
        activation = "sigmoid" if self.with_discriminator is True else self.with_discriminator
        x = self.dense(inputs, self.hidden_size, "Discriminator-Dense", self.hidden_act)  # [batch, n, hidden_size]
        return self.dense(x, 1, "Discriminator-Prediction", activation)  # [batch, n, 1]


class ELECTRA_Generator(ELECTRA):  # noqa: N801
    """The generator of ELECTRA: a small BERT that proposes the replaced tokens.

    The inputs are the same as in `BERT`. The output is the last block [batch, n, hidden_size]; with_mlm gives
    [batch, n, vocab_size] instead.

    Arguments:
        with_mlm: bool, str or callable. Whether the masked-language-model head is added; True has the activation
            softmax, "linear" gives logits.
        kwargs: the arguments of `BERT`, without its other heads.

    Raises:
        ConfigError: a head is asked for that the generator does not have.

    Example:
        >>> from b4k3.models import ELECTRA_Generator
        >>> generator = ELECTRA_Generator(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...                               intermediate_size=16, hidden_act="gelu", with_mlm=True)
        >>> generator.build()
        >>> generator.model.output_shape
        (None, None, 20)

    Reference: Clark et al., ELECTRA, https://arxiv.org/abs/2003.10555, https://github.com/google-research/electra
    """

    model_key = "electra_generator"
    network = networks.ELECTRA_GENERATOR
    absent_heads = {
        "with_pool": "the first token's vector is output[:, 0]",
        "with_nsp": "it was trained without sentence pairs",
        "with_discriminator": "the head belongs to the discriminator, model='electra'",
    }

    def __init__(self, *, with_mlm: Head = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.with_mlm = with_mlm

    # --------------------------------------------------------------------------------------------------- heads

    def apply_final_layers(self, inputs: Tensor) -> Tensor | list[Tensor]:
        """Apply the masked-language-model head, if it was asked for.

        Arguments:
            inputs: tensor, [batch, n, hidden_size]. The last block.

        Returns:
            Tensor, [batch, n, vocab_size]; `inputs` without the head.
        """
        return self.apply_mlm(inputs) if self.with_mlm else inputs

    # ------------------------------------------------------------------------------------------------- weights

    def load_variable(self, checkpoint: Mapping[str, np.ndarray] | View, name: str) -> np.ndarray | None:
        """Read one variable in the form that its layer needs.

        A file in which generator and discriminator do not share their embeddings has a second set of them under
        generator/embeddings/; the generator reads that one.

        Arguments:
            checkpoint: mapping from canonical name to array.
            name: str. The canonical name.

        Returns:
            The array; None leaves the weight unchanged.
        """
        own = name.replace("electra/embeddings/", "generator/embeddings/", 1)
        if own != name and own in checkpoint:
            value = checkpoint[own]
            return self.load_embeddings(value) if name.endswith("/word_embeddings") else value
        return super().load_variable(checkpoint, name)
