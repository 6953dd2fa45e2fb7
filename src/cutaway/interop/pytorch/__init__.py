"""A program written for PyTorch, on Cutaway, unchanged: `import torch` finds Cutaway.

`cutaway run script.py` does it for a script. In a program of one's own:

    from cutaway.interop.pytorch import install
    install()
    import torch                        # from here on

While it is installed, `torch.nn` is `cutaway.nn`, the very same module, and so on; `torch` itself is a module that stands
before `cutaway` (facade.py) and says a version of PyTorch's. A third package that imports torch gets Cutaway, too. What was
imported before keeps what it has.
"""

from cutaway.interop.pytorch.finder import install, installed, is_installed, uninstall

__all__ = ["install", "installed", "is_installed", "uninstall"]
