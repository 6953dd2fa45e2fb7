"""`torchvision` for a process started anew by one in which Cutaway stands for it: installs the finder, steps aside."""

import sys

from cutaway.interop.pytorch.finder import install

del sys.modules[__name__]
install()
sys.modules[__name__] = __import__(__name__)
