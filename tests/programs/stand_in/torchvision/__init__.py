"""As much of torchvision as the programs use, over the digits in the package: the data are the same on both sides."""

from torchvision import datasets, transforms  # noqa: F401
