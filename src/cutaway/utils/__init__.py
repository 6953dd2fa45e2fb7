"""PyTorch's module path `utils`; holds no code of its own."""
