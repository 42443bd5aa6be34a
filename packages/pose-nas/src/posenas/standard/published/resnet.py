"""ResNet-50 by torchvision, and the pose network SimpleBaseline by its authors and by mmpose."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from posenas.contract.normalisation import IMAGENET
from posenas.contract.weights import ImportedWeights
from posenas.networks.renaming import POSE_HEAD, RESNET, has, keypoints_of, renamed

_RESNET50 = {
    "conv1.weight": (64, 3, 7, 7),
    "layer1.0.conv1.weight": (64, 64, 1, 1),
    "layer2.3.conv2.weight": (128, 128, 3, 3),
    "layer3.5.conv3.weight": (1024, 256, 1, 1),
    "layer4.2.conv3.weight": (2048, 512, 1, 1),
}
_BGR = (
    "files of SimpleBaseline's authors, which cannot be told from mmpose's, need -o normalisation.order=bgr"
)


def import_resnet(published: Mapping[str, Tensor]) -> ImportedWeights | None:
    """Return the weights of a ResNet-50, with SimpleBaseline's head where it has one.

    Deeper ResNets are another family. Files that Caffe's convention made, with the stride on a block's first
    convolution, have the same names and shapes and cannot be told apart.
    """
    if not has(published, _RESNET50) or "layer3.6.conv1.weight" in published:
        return None
    tensors = renamed(published, (*RESNET, *POSE_HEAD))
    if "final_layer.weight" not in published:
        return ImportedWeights("a ResNet-50 for ImageNet", tensors, normalisation=IMAGENET)
    return ImportedWeights(
        "SimpleBaseline with ResNet-50", tensors, keypoints_of(tensors), normalisation=IMAGENET, remark=_BGR
    )
