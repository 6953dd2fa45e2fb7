"""What detectors are made of, with torchvision's names: boxes and their overlaps, losses, regions of images, layers."""

# ruff: noqa: F401  (every name is re-exported)
# isort: skip_file

import sys
from types import ModuleType
from typing import Any

from cutaway.vision.ops.boxes import (
    batched_nms, box_area, box_convert, box_iou, clip_boxes_to_image, complete_box_iou, distance_box_iou,
    generalized_box_iou, masks_to_boxes, nms, remove_small_boxes,
)  # fmt: skip
from cutaway.vision.ops.box_losses import complete_box_iou_loss, distance_box_iou_loss, generalized_box_iou_loss
from cutaway.vision.ops.deform_conv import DeformConv2d, deform_conv2d
from cutaway.vision.ops.drop_block import DropBlock2d, DropBlock3d, drop_block2d, drop_block3d
from cutaway.vision.ops.feature_pyramid_network import FeaturePyramidNetwork
from cutaway.vision.ops.focal_loss import sigmoid_focal_loss
from cutaway.vision.ops.misc import (
    Conv2dNormActivation, Conv3dNormActivation, FrozenBatchNorm2d, MLP, Permute, SqueezeExcitation,
)  # fmt: skip
from cutaway.vision.ops.poolers import MultiScaleRoIAlign
from cutaway.vision.ops.roi_align import PSRoIAlign, RoIAlign, ps_roi_align, roi_align
from cutaway.vision.ops.roi_pool import PSRoIPool, RoIPool, ps_roi_pool, roi_pool
from cutaway.vision.ops.stochastic_depth import StochasticDepth, stochastic_depth

__all__ = """Conv2dNormActivation Conv3dNormActivation DeformConv2d DropBlock2d DropBlock3d FeaturePyramidNetwork
FrozenBatchNorm2d MLP MultiScaleRoIAlign PSRoIAlign PSRoIPool Permute RoIAlign RoIPool SqueezeExcitation StochasticDepth
batched_nms box_area box_convert box_iou clip_boxes_to_image complete_box_iou complete_box_iou_loss deform_conv2d
distance_box_iou distance_box_iou_loss drop_block2d drop_block3d generalized_box_iou generalized_box_iou_loss
masks_to_boxes nms ps_roi_align ps_roi_pool remove_small_boxes roi_align roi_pool sigmoid_focal_loss
stochastic_depth""".split()


class _Package(ModuleType):
    """`roi_align` is a function and the file that it is in, and the function stays the attribute: an import of the file
    under torchvision's name would put the module in its place.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (isinstance(value, ModuleType) and callable(self.__dict__.get(name))):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> object:
    from cutaway.core.absent import absent

    raise absent("cutaway.vision.ops", name, __all__)
