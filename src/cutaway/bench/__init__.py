"""`cutaway bench`: whole training steps, side by side with PyTorch and JAX, in one run."""
