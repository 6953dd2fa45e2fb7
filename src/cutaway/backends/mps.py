"""Apple's GPU, which is not used."""


def is_available() -> bool:
    """False."""
    return False


is_built = is_available
