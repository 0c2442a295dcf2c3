"""`b4k3 export`: a checkpoint in, a file of another program out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Callable

from b4k3.models import ConfigError

if TYPE_CHECKING:
    import argparse

HELP = "write a model for another program: onnxruntime, OpenVINO, TF Serving, LiteRT or PyTorch"
EXAMPLES = """examples:
  b4k3 export chinese_L-12_H-768_A-12 served --task features
  b4k3 export my_classifier served --format openvino
  b4k3 export all-MiniLM-L6-v2 model.onnx
  b4k3 export Qwen3-0.6B served

FOLDER is what `b4k3 inspect` takes: an original checkpoint, or a folder of transformers, of sentence-transformers or of
b4k3. Without --task its files say what it is for; a network without a head gives `last_hidden_state`.
A network that generates is written with its cached keys and values as inputs and outputs, as Optimum names them.

OUT is a folder, which also gets the config and the tokenizer, or a file of the format: .onnx, .xml, .tflite, .pt2.
ONNX and OpenVINO are traced by PyTorch, SavedModel and LiteRT by TensorFlow, whatever Keras runs on.
"""
# --task -> (module of b4k3.tasks, class); "features" is the network alone
TASKS = {
    "features": ("", ""),
    "encode": ("text_encoder", "TextEncoder"),
    "classify": ("text_classifier", "TextClassifier"),
    "tag": ("token_tagger", "TokenTagger"),
    "answer": ("question_answering", "QuestionAnswering"),
    "choose": ("multiple_choice", "MultipleChoice"),
    "fill-mask": ("fill_mask", "FillMask"),
    "generate": ("text_generator", "TextGenerator"),
}
ENDS = {  # how the name of a class of transformers ends -> task
    "ForSequenceClassification": "classify",
    "ForTokenClassification": "tag",
    "ForQuestionAnswering": "answer",
    "ForMultipleChoice": "choose",
    "ForMaskedLM": "fill-mask",
    "ForCausalLM": "generate",
    "LMHeadModel": "generate",
    "ForConditionalGeneration": "generate",
}


def add_arguments(add: Callable[..., Any]) -> None:
    """Declare the arguments of the command.

    Arguments:
        add: the method `add_argument` of a parser.
    """
    add("folder", help="a folder with a checkpoint, its config and its vocabulary, or a checkpoint beside these")
    add("out", help="the folder or file to write")
    add("--format", default="onnx", help="onnx, openvino, saved_model, litert or torch (default: %(default)s)")
    add("--task", choices=sorted(TASKS), help="what the model is for (default: what its files say)")
    add("--pooling", help="how a text gets one vector, mean for example, if the folder does not say it")
    add("--maxlen", type=int, help="the length at which a program should cut texts (default: what the folder says)")
    add("--opset", type=int, help="the version of ONNX's operators (default: 17)")
    add("--int8", action="store_true", help="of ONNX and OpenVINO: make the matrices int8")
    add("--vocab", metavar="FILE", help="vocabulary, if it is not in the folder")
    add("--case", choices=("auto", "lower", "keep"), default="auto", help="lower-case texts for a vocab.txt")
    add("--force", action="store_true", help="replace files that are there")


def run(args: argparse.Namespace, out: Callable[[str], Any]) -> int:
    """Run the command.

    Arguments:
        args: the parsed command line.
        out: function that writes a line of the output.

    Returns:
        int, the exit code.

    Raises:
        ConfigError: an argument is wrong, something must be installed, or the model cannot be written.
        CheckpointError: the checkpoint cannot be read.
        FileNotFoundError: there is no checkpoint or no vocabulary.
    """
    from b4k3.models.exporting.formats import checked_format

    checked_format(args.format)  # before anything is loaded
    if args.int8 and args.format not in ("onnx", "openvino"):
        raise ConfigError("--int8 is for --format onnx and openvino")
    options: dict[str, Any] = {} if args.opset is None else {"opset": args.opset}
    if args.int8:
        options["int8"] = True
    task = args.task or task_of(args.folder, args.pooling)
    opened = open_for_export(args, task)
    path = opened.export(args.out, args.format, overwrite=args.force, **options)
    out(path)
    return 0


def open_for_export(args: argparse.Namespace, task: str) -> Any:
    """Open the folder for a task.

    Arguments:
        args: the parsed command line.
        task: str. A key of `TASKS`.

    Returns:
        An object with the method `export`.
    """
    import importlib

    from ..exported_network import ExportedNetwork

    if task == "features":
        return ExportedNetwork.from_folder(args.folder, args.maxlen, args.vocab, args.case)
    module, name = TASKS[task]
    pooling = {"pooling": args.pooling} if task == "encode" else {}
    kind = getattr(importlib.import_module(f"b4k3.tasks.{module}"), name)
    return kind.from_folder(args.folder, maxlen=args.maxlen, vocab=args.vocab, case=args.case, **pooling)


def task_of(folder: str, pooling: str | None) -> str:
    """Find out what a folder is for.

    Arguments:
        folder: str.
        pooling: str or None. What --pooling says.

    Returns:
        str, a key of `TASKS`.
    """
    from ..sentence_modules import MODULES, read_json

    if pooling is not None or os.path.isfile(os.path.join(folder, MODULES)):
        return "encode"
    said = os.path.join(folder, "config.json")
    names = read_json(said, dict).get("architectures") if os.path.isfile(said) else None
    listed = names if isinstance(names, list) else []
    found = [task for name in listed for end, task in ENDS.items() if str(name).endswith(end)]
    return found[0] if found else "features"
