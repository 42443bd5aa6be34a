"""From a module to an ONNX file."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from posenas.contract.errors import PosenasError
from posenas.contract.messages import message

if TYPE_CHECKING:
    import onnx

_OPERATOR = re.compile(r"target=torch\.ops\.([\w.]+)")


def to_onnx(module: nn.Module, examples: Sequence[Tensor], *, opset: int) -> onnx.ModelProto:
    """Return an ONNX model of a module, whose inputs' first axis may have any length.

    Args:
        module: gives a dict of tensors; in evaluation mode.
        examples: the inputs, `images` and for whole images `pitch`, with a batch of two at least.
        opset: the version of ONNX's operators.

    Raises:
        PosenasError: if something of the module cannot be written in ONNX; it names the operator and the
            module that it is in.
    """
    inputs = ["images", "pitch"][: len(examples)]
    with _quiet(), torch.no_grad():
        module(*examples)  # what a network reads once from its weights, it has before it is traced
        program = _traced(module, examples)
        outputs = list(program.call_spec.out_spec.context)  # the keys of the dict
        try:
            converted = torch.onnx.export(
                program,
                dynamo=True,
                verbose=False,
                external_data=False,
                input_names=inputs,
                output_names=outputs,
                opset_version=opset,
            )
        except torch.onnx.OnnxExporterError as error:
            raise PosenasError(_refusal(error, program)) from error
    assert converted is not None
    return _named(converted.model_proto, opset)


def _traced(module: nn.Module, examples: Sequence[Tensor]) -> ExportedProgram:
    """Return the module's operators.

    Raises:
        PosenasError: if they depend on values of tensors, or use something other than tensors.
    """
    views = torch.export.Dim("views", min=1)
    shapes = (*({0: views} for _ in examples),)
    if len(shapes) > 1:
        shapes = (shapes[0], shapes[1:])  # type: ignore[assignment]  # the further inputs are one tuple
    try:
        with redirect_stderr(StringIO()):  # where it fails, torch prints all operators before
            return torch.export.export(module, tuple(examples), dynamic_shapes=shapes, strict=False)
    except Exception as error:  # whatever a stranger's module does where it is traced
        raise PosenasError(
            "the network cannot be exported: its operators depend on values, or are none of torch's "
            f"({message(str(error)):.200}); tell the authors of its space and its head"
        ) from error


def _refusal(error: torch.onnx.OnnxExporterError, program: ExportedProgram) -> str:
    """Return the line on an operator that ONNX lacks, with the module that it is in."""
    found = None
    cause: BaseException | None = error
    while cause is not None and found is None:
        found = _OPERATOR.search(str(cause))
        cause = cause.__cause__
    if found is None:
        return f"the network cannot be written as ONNX ({message(str(error)):.200})"
    return (
        f"operator {found[1]} in {_module_of(found[1], program)} cannot be written as ONNX; take a space and "
        "a head without it, or tell their authors"
    )


def _module_of(operator: str, program: ExportedProgram) -> str:
    """Return the path and the type of the innermost module that has the operator."""
    for node in program.run_decompositions().graph.nodes:
        stack: dict[str, Any] = node.meta.get("nn_module_stack") or {}
        if str(node.target) == operator and stack:
            path, kind = list(stack.values())[-1]
            return f"{path or 'the network'} ({kind if isinstance(kind, str) else kind.__qualname__})"
    return "the network"


def _named(model: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    """Return the model with names of the axes of any length: `views`, and `people` of whole images.

    Raises:
        PosenasError: if it is of another version than was asked for.
    """
    (written,) = (each.version for each in model.opset_import if not each.domain)
    if written != opset:
        raise PosenasError(f"--opset {opset}: this network needs {written}; leave the option out")
    names: dict[str, str] = {}
    for value in (*model.graph.input, *model.graph.output):
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param:
                axis.dim_param = names.setdefault(axis.dim_param, "people" if names else "views")
    del model.graph.value_info[:]
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep torch's own words on its exporter from the user, who can do nothing about them."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.filterwarnings("ignore", "The tensor attribute", UserWarning)
            yield
    finally:
        logging.disable(before)
