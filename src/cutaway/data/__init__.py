"""Datasets, samplers, loaders; MNIST, Fashion-MNIST, CIFAR-10 and toy sets.

`cutaway.utils.data` gives the same classes under PyTorch's module path.
"""

from cutaway.data import augment as augment  # the module; its functions are used as augment.random_shift(...)
from cutaway.data.collate import default_collate, default_convert
from cutaway.data.dataset import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)
from cutaway.data.distributed import DistributedSampler
from cutaway.data.images import ImageData, Splits
from cutaway.data.load import NAMES, cifar10, fashion_mnist, load, mnist
from cutaway.data.loader import DataLoader
from cutaway.data.sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from cutaway.data.toy import TOYS, circles, gauss, moons, regression, spiral, xor
from cutaway.data.worker import get_worker_info

__all__ = [
    "NAMES",
    "TOYS",
    "BatchSampler",
    "ChainDataset",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "DistributedSampler",
    "ImageData",
    "IterableDataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "Splits",
    "StackDataset",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
    "augment",
    "cifar10",
    "circles",
    "default_collate",
    "default_convert",
    "fashion_mnist",
    "gauss",
    "get_worker_info",
    "load",
    "mnist",
    "moons",
    "random_split",
    "regression",
    "spiral",
    "xor",
]
