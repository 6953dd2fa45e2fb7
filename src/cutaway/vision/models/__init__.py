"""Networks for images with torchvision's names, parameters' names and initial values; trained weights come from files."""

# ruff: noqa: F401  (every name is re-exported)
# isort: skip_file

from cutaway.vision.models.alexnet import AlexNet, alexnet
from cutaway.vision.models.build import get_model, list_models, weights_of
from cutaway.vision.models.densenet import DenseNet, densenet121, densenet161, densenet169, densenet201
from cutaway.vision.models.convnext import ConvNeXt, convnext_base, convnext_large, convnext_small, convnext_tiny
from cutaway.vision.models.efficientnet import (
    EfficientNet, efficientnet_b0, efficientnet_b1, efficientnet_b2, efficientnet_b3, efficientnet_b4, efficientnet_b5,
    efficientnet_b6, efficientnet_b7, efficientnet_v2_l, efficientnet_v2_m, efficientnet_v2_s,
)  # fmt: skip
from cutaway.vision.models.googlenet import GoogLeNet, GoogLeNetOutputs, googlenet
from cutaway.vision.models.inception import Inception3, InceptionOutputs, inception_v3
from cutaway.vision.models.mnasnet import MNASNet, mnasnet0_5, mnasnet0_75, mnasnet1_0, mnasnet1_3
from cutaway.vision.models.mobilenet import MobileNetV2, mobilenet_v2
from cutaway.vision.models.mobilenet_v3 import MobileNetV3, mobilenet_v3_large, mobilenet_v3_small
from cutaway.vision.models.regnet import (
    RegNet, regnet_x_16gf, regnet_x_1_6gf, regnet_x_32gf, regnet_x_3_2gf, regnet_x_400mf, regnet_x_800mf, regnet_x_8gf,
    regnet_y_16gf, regnet_y_1_6gf, regnet_y_32gf, regnet_y_3_2gf, regnet_y_400mf, regnet_y_800mf, regnet_y_8gf,
)  # fmt: skip
from cutaway.vision.models.resnet import (
    ResNet, resnet18, resnet34, resnet50, resnet101, resnet152, resnext50_32x4d, resnext101_32x8d, wide_resnet50_2,
    wide_resnet101_2,
)  # fmt: skip
from cutaway.vision.models.shufflenet import (
    ShuffleNetV2, shufflenet_v2_x0_5, shufflenet_v2_x1_0, shufflenet_v2_x1_5, shufflenet_v2_x2_0,
)  # fmt: skip
from cutaway.vision.models.squeezenet import SqueezeNet, squeezenet1_0, squeezenet1_1
from cutaway.vision.models.swin import SwinTransformer, swin_b, swin_s, swin_t
from cutaway.vision.models.vgg import VGG, vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn
from cutaway.vision.models.vision_transformer import VisionTransformer, vit_b_16, vit_b_32, vit_h_14, vit_l_16, vit_l_32

__all__ = ["get_model", "list_models", *list_models(), *(name for name in dir() if name[0].isupper())]


def __getattr__(name: str) -> object:
    from cutaway.core.absent import absent

    found = weights_of(name)
    if found is not None:
        globals()[name] = found
        return found
    raise absent("cutaway.vision.models", name, __all__)
