"""Functions that ask their arguments' classes first: PyTorch's `__torch_function__`.

asked       the protocol: who is asked, in which order, and what keeps a call from asking
entries     the functions and methods that ask, from the moment that somebody wants to be asked
subclass    tensors of classes of a program's own
modes       `TorchFunctionMode`
"""
