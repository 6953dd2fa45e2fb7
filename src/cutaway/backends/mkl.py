"""A library that is not used here."""

enabled = False


def is_available() -> bool:
    """False."""
    return False
