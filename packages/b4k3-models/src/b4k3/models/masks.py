"""Makes a language model of an encoder by the attention bias that it sees through."""

from __future__ import annotations

from b4k3.layers import LanguageModelMask, UniLMMask

from .errors import ConfigError


class LM_Mask:  # noqa: N801 (a name of bert4keras)
    """Mixed into a Transformer: position i sees the positions up to i."""

    generates = True

    def compute_attention_bias(self, inputs=None):
        if self.attention_bias is None:
            self.attention_bias = self.apply(self.inputs[self.token_input], LanguageModelMask, name="Attention-LM-Mask")
        return self.attention_bias


class UniLM_Mask:  # noqa: N801 (a name of bert4keras)
    """Mixed into a Transformer: the first segment sees itself, the second also what stands before it.

    Reference: Dong et al., UniLM, https://arxiv.org/abs/1905.03197
    """

    generates = True
    generated_segment = 1

    def compute_attention_bias(self, inputs=None):
        if self.attention_bias is None:
            if getattr(self, "segment_vocab_size", 0) < 2 and not getattr(self, "shared_segment_embeddings", False):
                raise ConfigError(
                    f"application='unilm' tells two segments apart: segment_vocab_size={self.segment_vocab_size} must "
                    "be 2 or more"
                )
            self.attention_bias = self.apply(self.inputs[1], UniLMMask, name="Attention-UniLM-Mask")
        return self.attention_bias


def extend(base, mask, prefix):
    class LanguageModel(mask, base):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            if hasattr(self, "with_mlm"):
                self.with_mlm = self.with_mlm or True

    LanguageModel.__name__ = LanguageModel.__qualname__ = prefix + base.__name__
    LanguageModel.__doc__ = "%s as a language model.\n\n%s" % (base.__name__, base.__doc__)
    return LanguageModel


def extend_with_language_model(base):
    """Return a subclass of a Transformer class that reads from left to right, with its MLM head as output."""
    return extend(base, LM_Mask, "CausalLM_")


def extend_with_unified_language_model(base):
    """Return a subclass of a Transformer class that generates its second segment from its first (UniLM)."""
    return extend(base, UniLM_Mask, "UniLM_")
