"""Turn an encoder into a language model by the attention bias that hides what a position must not see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from b4k3.layers import LanguageModelMask, UniLMMask

from .errors import ConfigError

if TYPE_CHECKING:
    from b4k3.backend import Tensor

    from .transformer import Transformer

    Mixin = Transformer
else:
    Mixin = object


class LM_Mask(Mixin):  # noqa: N801 (a name of bert4keras)
    """A mixin for a `Transformer`: position i sees only the positions up to i.

    Example:
        >>> from b4k3.models import BERT, LM_Mask
        >>> class CausalBERT(LM_Mask, BERT):
        ...     pass
        >>> CausalBERT.generates
        True
    """

    generates = True

    def compute_attention_bias(self, inputs: int | None = None) -> Tensor:
        """Compute the attention bias of a language model once; all blocks share it.

        Arguments:
            inputs: int. The number of the block.

        Returns:
            Tensor, [1, 1, n, n]: 0 where a position may be seen, a large negative number elsewhere.
        """
        if self.attention_bias is None:
            self.attention_bias = self.apply(self.inputs[self.token_input], LanguageModelMask, name="Attention-LM-Mask")
        return self.attention_bias


class UniLM_Mask(Mixin):  # noqa: N801 (a name of bert4keras)
    """A mixin for a `Transformer` that generates its second segment from its first.

    Every position of the first segment sees the whole first segment. A position of the second segment sees the first
    segment and the positions of the second segment up to itself.

    Example:
        >>> from b4k3.models import BERT, UniLM_Mask
        >>> class UniLM_BERT(UniLM_Mask, BERT):
        ...     pass
        >>> UniLM_BERT.generates
        True

    Reference: Dong et al., UniLM, https://arxiv.org/abs/1905.03197
    """

    generates = True
    generated_segment = 1

    def compute_attention_bias(self, inputs: int | None = None) -> Tensor:
        """Compute the attention bias of UniLM from the segment ids once; all blocks share it.

        Arguments:
            inputs: int. The number of the block.

        Returns:
            Tensor, [batch, 1, n, n]: 0 where a position may be seen, a large negative number elsewhere.

        Raises:
            ConfigError: the model has fewer than two segments.
        """
        if self.attention_bias is None:
            segments = getattr(self, "segment_vocab_size", 0)
            if segments < 2 and not getattr(self, "shared_segment_embeddings", False):
                raise ConfigError(
                    f"application='unilm' tells two segments apart: segment_vocab_size={segments} must be 2 or more"
                )
            self.attention_bias = self.apply(self.inputs[1], UniLMMask, name="Attention-UniLM-Mask")
        return self.attention_bias


def extend(base: type[Transformer], mask: type, prefix: str) -> type[Transformer]:
    """Derive a language model from an architecture.

    Arguments:
        base: class. A subclass of `Transformer`.
        mask: class. `LM_Mask` or `UniLM_Mask`.
        prefix: str. The beginning of the name of the new class.

    Returns:
        A subclass of both. If the architecture has a masked-language-model head, the head is the output.
    """
    parent: Any = base

    class LanguageModel(mask, parent):
        """A language model; its name and documentation are set below."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            if hasattr(self, "with_mlm"):
                self.with_mlm = self.with_mlm or True

    LanguageModel.__name__ = LanguageModel.__qualname__ = prefix + base.__name__
    LanguageModel.__doc__ = f"{base.__name__} as a language model.\n\n{base.__doc__}"
    return LanguageModel


def extend_with_language_model(base: type[Transformer]) -> type[Transformer]:
    """Derive a model that reads from left to right, with the masked-language-model head as its output.

    Arguments:
        base: class. A subclass of `Transformer`.

    Returns:
        A subclass of it, in which position i sees only the positions up to i; an architecture that is such a language
        model already, GPT for example, as it is.

    Example:
        >>> from b4k3.models import BERT, extend_with_language_model
        >>> extend_with_language_model(BERT).__name__
        'CausalLM_BERT'
    """
    return base if issubclass(base, LM_Mask) else extend(base, LM_Mask, "CausalLM_")


def extend_with_unified_language_model(base: type[Transformer]) -> type[Transformer]:
    """Derive a model that generates its second segment from its first.

    Arguments:
        base: class. A subclass of `Transformer`.

    Returns:
        A subclass of it, with the attention bias of UniLM.

    Example:
        >>> from b4k3.models import BERT, extend_with_unified_language_model
        >>> extend_with_unified_language_model(BERT).__name__
        'UniLM_BERT'

    Reference: Dong et al., UniLM, https://arxiv.org/abs/1905.03197
    """
    return extend(base, UniLM_Mask, "UniLM_")
