"""ERNIE 1.0 and 3.0: BERT; ERNIE 3.0 adds an embedding of the task, and UIE two pointers to ERNIE 3.0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from b4k3.layers import Squeeze, TaskEmbedding

from ..networks.ernie import ERNIE as NETWORK
from ..transformer import as_list
from .bert import BERT

if TYPE_CHECKING:
    from b4k3.backend import Tensor

    from .bert import Head


class ERNIE(BERT):
    """ERNIE of Baidu: BERT, whose version 3.0 adds an embedding of the task to every token.

    The inputs, outputs and heads are the same as in `BERT`. With custom_task_ids the task ids [batch, n] are one more
    input, the last one. With with_pointers the model is UIE, which finds the spans of a text that a prompt asks for: of
    each token it tells, [batch, n] each, how probable it is that a span begins and that a span ends there. Its input is
    `[CLS] prompt [SEP] text [SEP]`.

    Arguments:
        use_task_id: bool. Whether there is a table of tasks. Without custom_task_ids every token has task 0.
        task_type_vocab_size: int. The number of tasks.
        custom_task_ids: bool. Whether the task ids are an input of the model; it implies use_task_id.
        with_pointers: bool, str or callable. Whether the two pointers of UIE are added, which give [batch, n] each;
            True has the activation sigmoid, "linear" gives logits.
        kwargs: the arguments of `BERT`.

    Raises:
        ConfigError: an argument is unknown.

    Example:
        >>> from b4k3.models import ERNIE
        >>> ernie = ERNIE(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...               intermediate_size=16, hidden_act="gelu", use_task_id=True)
        >>> ernie.build()
        >>> ernie.model.output_shape
        (None, None, 8)

    Reference: Sun et al., ERNIE, https://arxiv.org/abs/1904.09223; ERNIE 3.0, https://arxiv.org/abs/2107.02137,
        https://github.com/PaddlePaddle/ERNIE; Lu et al., UIE, https://arxiv.org/abs/2203.12277, in the form of
        https://github.com/PaddlePaddle/PaddleNLP
    """

    model_key = "ernie"
    network = NETWORK

    def __init__(
        self,
        *,
        use_task_id: bool = False,
        task_type_vocab_size: int = 3,
        custom_task_ids: bool = False,
        with_pointers: Head = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.use_task_id = bool(use_task_id or custom_task_ids)
        self.task_type_vocab_size = task_type_vocab_size
        self.custom_task_ids = custom_task_ids
        self.with_pointers = with_pointers

    # -------------------------------------------------------------------------------------------------- inputs

    def get_inputs(self) -> Tensor | list[Tensor]:
        """Make the input tensors.

        Returns:
            The list of the inputs of `BERT` and, with custom_task_ids, the task ids; [batch, n] each.
        """
        inputs = super().get_inputs()
        return inputs + [self.input_ids("Input-Task")] if self.custom_task_ids else inputs

    # ---------------------------------------------------------------------------------------------- embeddings

    def embed_tokens(self, inputs: list[Tensor]) -> Tensor:
        """Add the embeddings of tokens, segments and tasks.

        Arguments:
            inputs: list of tensors, [batch, n] each. The inputs of the model.

        Returns:
            Tensor, [batch, n, embedding_size].
        """
        x = super().embed_tokens(inputs)  # [batch, n, embedding_size]
        if not self.use_task_id:
            return x
        return self.apply(
            self.simplify([x, as_list(inputs)[-1] if self.custom_task_ids else None]),
            TaskEmbedding,
            input_dim=self.task_type_vocab_size,
            output_dim=self.embedding_size,
            embeddings_initializer=self.initializer,
            custom_task_ids=self.custom_task_ids,
            name="Embedding-Task",
        )

    # --------------------------------------------------------------------------------------------------- heads

    def apply_final_layers(self, inputs: Tensor) -> Tensor | list[Tensor]:
        """Apply the heads that were asked for.

        Arguments:
            inputs: tensor, [batch, n, hidden_size]. The last block.

        Returns:
            What `BERT` returns; with_pointers the probabilities of starts and ends, [batch, n] each, after the outputs
            of the other heads.
        """
        outputs = as_list(super().apply_final_layers(inputs))
        if not self.with_pointers:
            return self.simplify(outputs)
        activation = "sigmoid" if self.with_pointers is True else self.with_pointers
        heads = outputs if self.with_pool or self.with_mlm else []
        for name in ("Pointer-Start", "Pointer-End"):
            x = self.dense(inputs, 1, f"{name}-Dense", activation)  # [batch, n, 1]
            heads.append(self.apply(x, Squeeze, name=name))  # [batch, n]
        return heads
