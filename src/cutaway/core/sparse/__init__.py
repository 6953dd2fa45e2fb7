"""Sparse tensors: those that keep their entries only. Loaded when the first one is made.

base.py      what all of them share, and how dense operations learn of them
coo.py       indices and values: moves.py, arithmetic.py      csr.py     row by row, or column by column
places.py    indices, their order    entries.py  values      pattern.py, product.py    sparse times dense, and its gradients
making.py    of parts, of dense tensors      functions.py     mm, softmax, ...       rows.py    gradients of tables
answer.py    functions of dense tensors that are given sparse ones
"""
