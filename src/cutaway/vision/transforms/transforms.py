"""torchvision's other path to the classes of `cutaway.vision.transforms`."""

# ruff: noqa: F403  (all of them)

from cutaway.vision.transforms import *
