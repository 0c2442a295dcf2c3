"""ERNIE 1.0 and 3.0 of Baidu: BERT, with an embedding of the task where `use_task_id` says so."""

from __future__ import annotations

from .bert import BERT, CLASSES, blocks, embeddings, mlm_head, nsp_head, pooler
from .description import HuggingFace, Layer, Part, Variable


def task_embeddings() -> Part:
    """The table of tasks, of which the first row is added where no task is said."""
    table = Variable("bert/embeddings/task_type_embeddings", ("task_type_vocab_size", "embedding_size"))
    layer = Layer("Embedding-Task", [table], when=lambda sizes: sizes.get("use_task_id"), needs=("use_task_id",))
    return Part("task embeddings", [layer])


ERNIE = BERT.but(
    "ernie",
    "b4k3.models.architectures.ernie:ERNIE",
    what="an ERNIE checkpoint",
    parts=[embeddings(), task_embeddings(), blocks(), pooler(), nsp_head(), mlm_head()],
    keys=BERT.keys + ("use_task_id", "task_type_vocab_size", "custom_task_ids"),
    marks={"use_task_id": "bert/embeddings/task_type_embeddings"},
    huggingface=HuggingFace(
        {"ernie": "Ernie"},
        CLASSES,
        own=("use_task_id", "task_type_vocab_size"),
        defaults={"layer_norm_eps": 1e-12, "hidden_act": "gelu"},
    ),
    trained_with_tanh=False,
    kin=("ernie",),
    evidence=lambda seen: 1.0 if "bert/embeddings/task_type_embeddings" in seen.names else -1.0,
)
