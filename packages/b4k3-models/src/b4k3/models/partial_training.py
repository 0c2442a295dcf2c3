"""The part of `Transformer` that trains few of its weights: LoRA, adapters in files, and frozen parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Sequence

from . import lora

if TYPE_CHECKING:
    from .lora import Lora, TrainableShare


class PartialTraining:
    """The part of `Transformer` that trains few of its weights.

    Attributes:
        lora: `Lora`, or None if the model has no LoRA.

    Example:
        >>> from b4k3.models import build_transformer_model
        >>> config = {"vocab_size": 20, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        ...           "intermediate_size": 24, "hidden_act": "gelu"}
        >>> bert = build_transformer_model(config, return_keras_model=False)
        >>> share = bert.enable_lora(rank=2)
        LoRA of rank 2 in 4 layers: trainable 256 of 12,752 (2.01 %)
    """

    lora: Lora | None = None

    if TYPE_CHECKING:  # what `Transformer` adds, for type checkers
        model: Any

    # ------------------------------------------------------------------------------------------------ LoRA

    def enable_lora(
        self,
        rank: int,
        targets: str | Sequence[str] = ("query", "value"),
        alpha: float | None = None,
        use_rslora: bool = False,
        verbose: bool = True,
    ) -> TrainableShare:
        """Add small matrices to some layers and train them alone; every other weight of the model is frozen.

        A layer x · W becomes x · W + alpha / rank · x · A · B. B is zero at first, so the model computes what it
        computed before. A checkpoint is written with the products added to the weights, and the model stays as it is.
        Call it before `compile`: what was compiled before does not know the new weights. Layers that you put on the
        output of the model are trained as before.

        Arguments:
            rank: int. The number of columns of A and of rows of B.
            targets: str or list of str. The layers: "query", "key", "value", "output", "intermediate",
                "Embedding-Token", "Pooler-Dense" and so on. "FeedForward/output" means the layer "output" inside the
                feed-forward layers alone, and "Transformer-0-FeedForward/output" means one block.
            alpha: float or None. The products are multiplied by alpha / rank; None means rank.
            use_rslora: bool. Whether they are multiplied by alpha / sqrt(rank) instead, https://arxiv.org/abs/2312.03732.
            verbose: bool. Whether the share of trainable weights is printed.

        Returns:
            `TrainableShare`. How many weights of the model are trained.

        Raises:
            ConfigError: the model has no such target, or has LoRA already. The message lists the targets.
            BackendError: the environment has Keras 2.

        Reference: Hu et al., LoRA, https://arxiv.org/abs/2106.09685
        """
        transformer: Any = self
        rank = lora.checked_rank(rank)
        alpha = lora.checked_alpha(alpha, rank, use_rslora)
        chosen = lora.choose(transformer, targets)
        lora.enable(transformer, [(target, rank, alpha) for target in chosen])
        return self._share(f"LoRA of rank {rank} in {len(chosen)} layers", verbose)

    def merge_lora(self) -> None:
        """Add the products of LoRA to the weights, and take LoRA out. The outputs stay the same.

        What was trainable before `enable_lora` is trainable again. Compile the model again before training.

        Raises:
            ConfigError: the model has no LoRA.
        """
        transformer: Any = self
        lora.take_out(transformer, merge=True)

    def remove_lora(self) -> None:
        """Take LoRA out and drop what it learned. The model computes again what it computed before `enable_lora`.

        Raises:
            ConfigError: the model has no LoRA.
        """
        transformer: Any = self
        lora.take_out(transformer, merge=False)

    def _share(self, what: str, verbose: bool) -> TrainableShare:
        """Count the trainable weights, and print the count if it is asked for."""
        share = lora.TrainableShare(what, self.model.weights)
        if verbose:
            print(share)
        return share
