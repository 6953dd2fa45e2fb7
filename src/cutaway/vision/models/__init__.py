"""Networks for images with torchvision's names, parameters' names and initial values; trained weights come from files."""

# ruff: noqa: F401  (every name is re-exported)
# isort: skip_file

from cutaway.vision.models.alexnet import AlexNet, alexnet
from cutaway.vision.models.build import get_model, list_models, weights_of
from cutaway.vision.models.densenet import DenseNet, densenet121, densenet161, densenet169, densenet201
from cutaway.vision.models.mobilenet import MobileNetV2, mobilenet_v2
from cutaway.vision.models.resnet import (
    ResNet, resnet18, resnet34, resnet50, resnet101, resnet152, resnext50_32x4d, resnext101_32x8d, wide_resnet50_2,
    wide_resnet101_2,
)  # fmt: skip
from cutaway.vision.models.squeezenet import SqueezeNet, squeezenet1_0, squeezenet1_1
from cutaway.vision.models.vgg import VGG, vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn

__all__ = ["get_model", "list_models", *list_models(), *(name for name in dir() if name[0].isupper())]


def __getattr__(name: str) -> object:
    from cutaway.core.absent import absent

    found = weights_of(name)
    if found is not None:
        globals()[name] = found
        return found
    raise absent("cutaway.vision.models", name, __all__)
