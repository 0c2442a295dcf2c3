"""ELECTRA: the discriminator, which is the pretrained encoder, and the generator that stands beside it in the files."""

from __future__ import annotations

from ..networks import electra as networks
from .bert import BERT, refuse_heads


class ELECTRA(BERT):
    """The discriminator of ELECTRA. Inputs are BERT's.

    Outputs: the last block [batch, n, hidden_size], or with_discriminator's [batch, n, 1].

    Arguments:
        with_discriminator: False, True (sigmoid) or the activation of the head that finds replaced tokens.
        kwargs: those of `BERT`, without its heads.

    Raises:
        ConfigError: a head that ELECTRA does not have.

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

    def __init__(self, *, with_discriminator=False, **kwargs):
        refuse_heads(type(self), dict(kwargs, with_discriminator=with_discriminator))
        super().__init__(**kwargs)
        self.with_discriminator = with_discriminator

    # --------------------------------------------------------------------------------------------------- heads

    def apply_final_layers(self, inputs):
        if not self.with_discriminator:
            return inputs
        activation = "sigmoid" if self.with_discriminator is True else self.with_discriminator
        x = self.dense(inputs, self.hidden_size, "Discriminator-Dense", self.hidden_act)
        return self.dense(x, 1, "Discriminator-Prediction", activation)


class ELECTRA_Generator(ELECTRA):  # noqa: N801
    """The generator of ELECTRA: a small BERT that proposes replacements. Inputs are BERT's.

    Outputs: the last block [batch, n, hidden_size], or with_mlm's [batch, n, vocab_size].

    Arguments:
        with_mlm: False, True (softmax) or the activation of the masked-language-model head.
        kwargs: those of `BERT`, without its other heads.

    Raises:
        ConfigError: a head that the generator does not have.

    Reference: as of `ELECTRA`.
    """

    model_key = "electra_generator"
    network = networks.ELECTRA_GENERATOR
    absent_heads = {
        "with_pool": "the first token's vector is output[:, 0]",
        "with_nsp": "it was trained without sentence pairs",
        "with_discriminator": "the head belongs to the discriminator, model='electra'",
    }

    def __init__(self, *, with_mlm=False, **kwargs):
        super().__init__(**kwargs)
        self.with_mlm = with_mlm

    # --------------------------------------------------------------------------------------------------- heads

    def apply_final_layers(self, inputs):
        return self.apply_mlm(inputs) if self.with_mlm else inputs

    # ------------------------------------------------------------------------------------------------- weights

    def load_variable(self, checkpoint, name):
        own = name.replace("electra/embeddings/", "generator/embeddings/", 1)  # where they are not shared
        if own != name and own in checkpoint:
            value = checkpoint[own]
            return self.load_embeddings(value) if name.endswith("/word_embeddings") else value
        return super().load_variable(checkpoint, name)
