"""Data sets of images, under torchvision's names."""

from cutaway.vision.datasets.cifar import CIFAR10
from cutaway.vision.datasets.fakedata import FakeData
from cutaway.vision.datasets.folder import DatasetFolder, ImageFolder
from cutaway.vision.datasets.mnist import MNIST, FashionMNIST
from cutaway.vision.datasets.vision import VisionDataset

__all__ = ["CIFAR10", "MNIST", "DatasetFolder", "FakeData", "FashionMNIST", "ImageFolder", "VisionDataset"]


def __getattr__(name: str) -> object:
    from cutaway.core.absent import absent

    raise absent("cutaway.vision.datasets", name, __all__)
