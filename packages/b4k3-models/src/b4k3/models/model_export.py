"""The part of `Transformer` that writes the model for other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Mapping, Sequence

from .construction import Constructed

if TYPE_CHECKING:
    import os


class ModelExport(Constructed):
    """The part of `Transformer` that writes the model for other programs.

    Example:
        >>> from b4k3.models import BERT
        >>> callable(BERT.export)
        True
    """

    def export(
        self,
        path: str | os.PathLike[str],
        format: str = "onnx",
        outputs: Sequence[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        overwrite: bool = False,
        **options: Any,
    ) -> str:
        """Write the model for another program: onnxruntime, OpenVINO, TF Serving, LiteRT or PyTorch.

        The graph has the inputs `input_ids`, `attention_mask` and, if the network has segments, `token_type_ids`,
        int64, [batch, n], for any batch and length. A network that generates is written with its caches as inputs and
        outputs. `b4k3.models.export` says more.

        Arguments:
            path: path. A folder, or a file whose name ends in `.onnx`, `.xml`, `.tflite` or `.pt2`.
            format: str. 'onnx', 'openvino', 'saved_model', 'litert' or 'torch'.
            outputs: sequence of str, or None. The names of the outputs; None takes those that tools expect.
            metadata: dict, or None. It is stored in files of ONNX and OpenVINO.
            overwrite: bool. Whether files that are there are replaced.
            options: `opset`, int, of ONNX.

        Returns:
            str, the path of the file that a program opens; of a SavedModel and of an encoder-decoder, its folder.

        Raises:
            ConfigError: the format is unknown, something must be installed, or the model cannot be written.
        """
        from .exporting import export

        return export(self, path, format, outputs, metadata, None, overwrite, **options)
