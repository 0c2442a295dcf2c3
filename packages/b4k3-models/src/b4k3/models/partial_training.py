"""The part of `Transformer` that trains few of its weights: LoRA, adapters in files, and frozen parts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Iterable, Sequence

from . import adapter_reading, adapters, freezing, lora

if TYPE_CHECKING:
    from .loading import LoadReport
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

    # ---------------------------------------------------------------------------------------- adapters in files

    def save_adapter(
        self, folder: str | os.PathLike[str], for_class: str | None = None, base_model: str | None = None
    ) -> None:
        """Write the matrices of LoRA to a folder, in the files of Hugging Face PEFT, which can load them.

        The names of the modules depend on the class of transformers that the adapter is loaded into: BertForMaskedLM
        and BertForSequenceClassification have a BertModel inside. An adapter that is in the folder is replaced.

        Arguments:
            folder: path. The folder, which is made if it is not there.
            for_class: str or None. The name of that class, "BertForSequenceClassification" for example; None takes the
                class for the heads of the model, BertModel or BertForMaskedLM for example.
            base_model: str or None. What PEFT shall load as the model, if it is not given one.

        Raises:
            ConfigError: the model has no LoRA, or transformers does not have the network or the class.
            CheckpointError: an adapter of PEFT has no place for something that is trained.

        Reference: https://github.com/huggingface/peft
        """
        transformer: Any = self
        adapters.save(transformer, os.fspath(folder), for_class, base_model)

    def load_adapter(self, folder: str | os.PathLike[str], ignore_unread_weights: bool = False) -> LoadReport:
        """Load an adapter that `save_adapter` or Hugging Face PEFT wrote, or change nothing.

        A model without LoRA gets it as `enable_lora` does, in the layers of the adapter.

        Arguments:
            folder: path. The folder with adapter_config.json and adapter_model.safetensors.
            ignore_unread_weights: bool. Whether an adapter is loaded although it has arrays that are not LoRA of this
                model, such as a classifier in `modules_to_save`.

        Returns:
            `LoadReport`.

        Raises:
            ConfigError: the adapter is of a kind that b4k3 does not have; the message names the key. Or the model has
                other LoRA already.
            CheckpointError: the adapter does not fit the model. The message lists everything that is wrong.
            FileNotFoundError: there is no adapter in the folder.
            BackendError: the environment has Keras 2.
        """
        transformer: Any = self
        return adapter_reading.Adapter(transformer, os.fspath(folder), ignore_unread_weights).apply()

    # -------------------------------------------------------------------------------------------- frozen parts

    def freeze(self, *parts: str, layers: Iterable[int] | None = None, verbose: bool = True) -> TrainableShare:
        """Freeze parts of the model: they are not trained. Call it before `compile`.

        Arguments:
            parts: str. Names of parts: "embeddings", "blocks", "pooler", "MLM head" and so on; "encoder" and "decoder"
                of T5. An unknown name is refused with the names that the model has.
            layers: iterable of int, or None. The numbers of blocks, range(6) for example. In T5 they are the blocks of
                the encoder and of the decoder.
            verbose: bool. Whether the share of trainable weights is printed.

        Returns:
            `TrainableShare`. How many weights of the model are trained.

        Raises:
            ConfigError: the model has no such part or block, or a block shares layers with another one.
        """
        transformer: Any = self
        count = freezing.set_trainable(transformer, parts, layers, False)
        return self._share(f"froze {count} layers", verbose)

    def unfreeze(self, *parts: str, layers: Iterable[int] | None = None, verbose: bool = True) -> TrainableShare:
        """Train parts of the model again. A kernel with LoRA stays frozen. Call it before `compile`.

        Arguments:
            parts: str. Names of parts, as for `freeze`.
            layers: iterable of int, or None. The numbers of blocks, as for `freeze`.
            verbose: bool. Whether the share of trainable weights is printed.

        Returns:
            `TrainableShare`. How many weights of the model are trained.

        Raises:
            ConfigError: the model has no such part or block, or a block shares layers with another one.
        """
        transformer: Any = self
        count = freezing.set_trainable(transformer, parts, layers, True)
        return self._share(f"unfroze {count} layers", verbose)

    def _share(self, what: str, verbose: bool) -> TrainableShare:
        """Count the trainable weights, and print the count if it is asked for."""
        share = lora.TrainableShare(what, self.model)
        if verbose:
            print(share)
        return share
