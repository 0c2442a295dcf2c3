"""The part of a task that writes its model, labels and tokenizer for other programs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from b4k3.models import export
from b4k3.models.exporting.formats import checked_format, is_single_file

if TYPE_CHECKING:
    from typing import Mapping


class TaskExport:
    """The part of a task that writes its model, labels and tokenizer for other programs.

    Attributes:
        model: keras.Model. What is written.

    Example:
        >>> from b4k3.tasks import TextClassifier
        >>> callable(TextClassifier.export)
        True
    """

    model: Any

    def export(
        self, path: str | os.PathLike[str], format: str = "onnx", overwrite: bool = False, **options: Any
    ) -> str:
        """Write the model for another program: onnxruntime, OpenVINO, TF Serving, LiteRT or PyTorch.

        A folder gets the config and the tokenizer too, so that a server has all that it needs. The graph has the inputs
        `input_ids`, `attention_mask` and, if the network has segments, `token_type_ids`, int64, [batch, n], for any
        batch and length. A file of ONNX or OpenVINO holds the labels and the greatest length as metadata.

        Arguments:
            path: path. A folder, or a file whose name ends in `.onnx`, `.xml`, `.tflite` or `.pt2`.
            format: str. 'onnx', 'openvino', 'saved_model', 'litert' or 'torch'.
            overwrite: bool. Whether files that are there are replaced.
            options: `opset`, int, of ONNX.

        Returns:
            str, the path of the file that a program opens; of a SavedModel, its folder.

        Raises:
            ConfigError: the format is unknown, something must be installed, or the model cannot be written.
        """
        single = is_single_file(os.fspath(path), checked_format(format))
        beside = None if single else self.write_beside
        model, outputs = self.exported_model()
        return export(model, path, format, outputs, self.export_metadata(), beside, overwrite, **options)

    def exported_model(self) -> tuple[Any, list[str] | None]:
        """Return what `export` writes.

        Returns:
            (keras.Model or `Transformer`, the names of its outputs; None takes those that tools expect).
        """
        return self.model, ["logits"]

    def export_metadata(self) -> Mapping[str, Any]:
        """Return what `export` stores in the file.

        Returns:
            dict.
        """
        labels = getattr(self, "labels", None) or []
        found: dict[str, Any] = {"max_length": getattr(self, "maxlen", None), "task": type(self).__name__}
        if labels:
            found["id2label"] = {str(i): label for i, label in enumerate(labels)}
        problem = getattr(self, "problem", None)
        if problem is not None:
            found["problem_type"] = problem
        return {key: value for key, value in found.items() if value is not None}

    def write_beside(self, folder: str) -> None:
        """Write what belongs beside the model.

        Arguments:
            folder: str.
        """
        raise NotImplementedError
