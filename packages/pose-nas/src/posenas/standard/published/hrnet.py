"""HRNet for poses by its authors and by mmpose, and for ImageNet by its authors and by timm."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from posenas.contract.normalisation import IMAGENET
from posenas.contract.weights import ImportedWeights
from posenas.networks.renaming import Rules, has, keypoints_of, renamed

_HRNET = {
    "conv2.weight": (64, 64, 3, 3),
    "layer1.3.conv3.weight": (256, 64, 1, 1),
    "transition3.3.0.0.weight": (None, None, 3, 3),
    "stage4.2.branches.3.3.conv2.weight": (None, None, 3, 3),
    "stage4.2.fuse_layers.0.3.0.weight": (None, None, 1, 1),
}


def _path(match: re.Match[str]) -> str:
    """Return the name of a tensor on the way from one branch to another one.

    On the way down the last step lies beside the others here, and not within a step of its own.
    """
    stage, module, target, source, rest = match.groups()
    steps = int(target) - int(source)
    if steps > 0:
        step, layer, last = rest.split(".")
        rest = f"{step}.{layer}.{last}" if int(step) < steps - 1 else f"{int(step) + int(layer)}.{last}"
    return f"backbone.stages.{int(stage) - 2}.{module}.fusions.{target}.paths.{source}.{rest}"


_RULES: Rules = (
    (r"conv([12])\.(.*)", lambda match: f"backbone.stem.{int(match[1]) - 1}.0.{match[2]}"),
    (r"bn([12])\.(.*)", lambda match: f"backbone.stem.{int(match[1]) - 1}.1.{match[2]}"),
    (r"layer1\.(\d+)\.conv(\d)\.(.*)", r"backbone.stage1.\1.conv\2.\3"),
    (r"layer1\.(\d+)\.bn(\d)\.(.*)", r"backbone.stage1.\1.norm\2.\3"),
    (r"layer1\.(\d+)\.downsample\.(.*)", r"backbone.stage1.\1.shortcut.\2"),
    (
        r"transition(\d)\.(\d)(?:\.0)?\.([01])\.([a-z_]+)",
        lambda match: f"backbone.transitions.{int(match[1]) - 1}.branches.{match[2]}.{match[3]}.{match[4]}",
    ),
    (
        r"stage(\d)\.(\d)\.branches\.(\d)\.(\d)\.(conv|bn)(\d)\.(.*)",
        lambda match: (
            f"backbone.stages.{int(match[1]) - 2}.{match[2]}.branches.{match[3]}.{match[4]}."
            f"{'norm' if match[5] == 'bn' else 'conv'}{match[6]}.{match[7]}"
        ),
    ),
    (r"stage4\.2\.fuse_layers\.[123]\..*", ""),  # an ImageNet network keeps all branches to the end
    (r"stage(\d)\.(\d)\.fuse_layers\.(\d)\.(\d)\.(.*)", _path),
    (r"final_layer\.(weight|bias)", r"head.convolution.\1"),
)


def import_hrnet(published: Mapping[str, Tensor]) -> ImportedWeights | None:
    """Return the weights of an HRNet of any width, with the head where it is a pose network."""
    if not has(published, _HRNET):
        return None
    tensors = renamed(published, _RULES)
    width = published["stage4.2.branches.0.0.conv1.weight"].shape[0]
    if "head.convolution.weight" in tensors:
        return ImportedWeights(f"HRNet-W{width}", tensors, keypoints_of(tensors), normalisation=IMAGENET)
    return ImportedWeights(f"an HRNet-W{width} for ImageNet", tensors, normalisation=IMAGENET)
