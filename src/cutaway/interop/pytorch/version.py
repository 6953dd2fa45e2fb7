"""`torch.version`: which PyTorch's names and behaviour are meant, and that there is no GPU."""

from cutaway import __version__ as _ours

__version__ = f"2.13.0+cutaway.{_ours}"  # the tests compare with this PyTorch
git_version = None
cuda = None
hip = None
xpu = None
debug = False
