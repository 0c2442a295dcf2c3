"""The description of ERNIE 1.0 and 3.0 of Baidu, and of UIE, which is ERNIE 3.0 with two pointers.

ERNIE is BERT, with an embedding of the task if `use_task_id` is true.
"""

from __future__ import annotations

from .bert import BERT, CLASSES, blocks, embeddings, mlm_head, nsp_head, pooler
from .description import HuggingFace, Layer, Part, Sizes, Variable, dense


def task_embeddings() -> Part:
    """Describe the table of tasks. Its first row is added to every token if the task is not an input.

    Returns:
        `Part`.
    """
    table = Variable("bert/embeddings/task_type_embeddings", ("task_type_vocab_size", "embedding_size"))
    layer = Layer("Embedding-Task", [table], when=_has_tasks, needs=("use_task_id",))
    return Part("task embeddings", [layer])


def _has_tasks(sizes: Sizes) -> bool:
    """Ask whether the network has a table of tasks."""
    return bool(sizes.get("use_task_id"))


def pointers() -> Part:
    """Describe the two pointers of UIE: the scores of each token as the start and as the end of a span.

    Returns:
        `Part`.
    """
    return Part(
        "pointers",
        [
            Layer("Pointer-Start-Dense", dense("linear_start", "hidden_size", 1)),
            Layer("Pointer-End-Dense", dense("linear_end", "hidden_size", 1)),
        ],
        argument="with_pointers",
        option="pointers",
        advice="the file has no pointers (linear_start, linear_end), as UIE has: build with with_pointers=False",
        marker="Pointer-Start-Dense",
    )


ERNIE = BERT.but(
    "ernie",
    "b4k3.models.architectures.ernie:ERNIE",
    what="an ERNIE checkpoint",
    parts=[embeddings(), task_embeddings(), blocks(), pooler(), nsp_head(), mlm_head(), pointers()],
    keys=BERT.keys + ("use_task_id", "task_type_vocab_size", "custom_task_ids", "with_pointers"),
    fixed={
        "auto_map": (None, {}, {"AutoModel": "modeling_uie.UIEModel"}, {"AutoModel": "modeling_uie.UIE"}),
        "pool_act": (None, "tanh"),  # this key and the next one are in PaddleNLP's configs
        "task_id": (None, 0),
    },
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
