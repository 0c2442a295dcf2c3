"""ERNIE 1.0 and 3.0: BERT, with an embedding of the task in ERNIE 3.0."""

from __future__ import annotations

from b4k3.layers import TaskEmbedding

from ..networks.ernie import ERNIE as NETWORK
from ..transformer import as_list
from .bert import BERT


class ERNIE(BERT):
    """ERNIE of Baidu. Inputs, outputs and heads are BERT's; with custom_task_ids task ids [batch, n] come last.

    Arguments:
        use_task_id: whether there is a table of tasks; without custom_task_ids the first task is everybody's.
        task_type_vocab_size: its number of rows.
        custom_task_ids: whether task ids are an input.
        kwargs: those of `BERT`.

    Example:
        model = build_transformer_model("ernie-3.0-base-zh")

    Reference: Sun et al., ERNIE, https://arxiv.org/abs/1904.09223; ERNIE 3.0, https://arxiv.org/abs/2107.02137,
        https://github.com/PaddlePaddle/ERNIE
    """

    model_key = "ernie"
    network = NETWORK

    def __init__(self, *, use_task_id=False, task_type_vocab_size=3, custom_task_ids=False, **kwargs):
        super().__init__(**kwargs)
        self.use_task_id = bool(use_task_id or custom_task_ids)
        self.task_type_vocab_size = task_type_vocab_size
        self.custom_task_ids = custom_task_ids

    # -------------------------------------------------------------------------------------------------- inputs

    def get_inputs(self):
        inputs = super().get_inputs()
        return inputs + [self.input_ids("Input-Task")] if self.custom_task_ids else inputs

    # ---------------------------------------------------------------------------------------------- embeddings

    def embed_tokens(self, inputs):
        x = super().embed_tokens(inputs)
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
