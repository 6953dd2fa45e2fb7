"""`cutaway.signal`: windows."""

from cutaway.signal import windows

__all__ = ["windows"]
