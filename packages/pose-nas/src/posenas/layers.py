"""Layers and hand-made backbones from which a space's networks are built."""

from posenas.networks.backbones.channels import scaled
from posenas.networks.backbones.hrnet import hrnet
from posenas.networks.backbones.mobilenetv2 import mobilenetv2
from posenas.networks.backbones.simple_baseline import simple_baseline_r50
from posenas.networks.devices import full_precision
from posenas.networks.layers.attention import GlobalContext, SqueezeExcitation
from posenas.networks.layers.chain import Chain, Change
from posenas.networks.layers.convolution import convolution, pooled_stem, upsampling
from posenas.networks.layers.elastic_hrnet import BranchRange, ElasticHRNet, branch_range
from posenas.networks.layers.groups import dividing, valid_groups
from posenas.networks.layers.hrnet import HRNet, HRNetBody, HRNetPlan, Stage
from posenas.networks.layers.initialisation import initialise
from posenas.networks.layers.inverted import InvertedResidual
from posenas.networks.layers.multi_resolution import BLOCKS, Branch
from posenas.networks.layers.residual import BasicBlock, Bottleneck
from posenas.networks.layers.resized_maps import ResizedMaps, own_maps
from posenas.networks.without_values import made

__all__ = [
    "BLOCKS",
    "BasicBlock",
    "Bottleneck",
    "Branch",
    "BranchRange",
    "Chain",
    "Change",
    "ElasticHRNet",
    "GlobalContext",
    "HRNet",
    "HRNetBody",
    "HRNetPlan",
    "InvertedResidual",
    "ResizedMaps",
    "SqueezeExcitation",
    "Stage",
    "branch_range",
    "convolution",
    "dividing",
    "full_precision",
    "hrnet",
    "initialise",
    "made",
    "mobilenetv2",
    "own_maps",
    "pooled_stem",
    "scaled",
    "simple_baseline_r50",
    "upsampling",
    "valid_groups",
]
