"""Data sets of images, under torchvision's names."""

from cutaway.vision.datasets.arrays import STL10, SVHN
from cutaway.vision.datasets.cifar import CIFAR10, CIFAR100
from cutaway.vision.datasets.fakedata import FakeData
from cutaway.vision.datasets.files import Caltech101, CelebA, Flowers102, ImageNet, OxfordIIITPet
from cutaway.vision.datasets.folder import DatasetFolder, ImageFolder
from cutaway.vision.datasets.like_mnist import EMNIST, KMNIST, QMNIST
from cutaway.vision.datasets.mnist import MNIST, FashionMNIST
from cutaway.vision.datasets.vision import VisionDataset

__all__ = [
    "CIFAR10", "CIFAR100", "EMNIST", "KMNIST", "MNIST", "QMNIST", "STL10", "SVHN", "Caltech101", "CelebA", "DatasetFolder",
    "FakeData", "FashionMNIST", "Flowers102", "ImageFolder", "ImageNet", "OxfordIIITPet", "VisionDataset",
]  # fmt: skip


def __getattr__(name: str) -> object:
    from cutaway.core.absent import absent

    raise absent("cutaway.vision.datasets", name, __all__)
