"""Methods of Tensor that are composed of others, a topic a file: each is also a function, `cutaway.kron(a, b)`.

They need no op of their own: gradients of any order and shape checks come from what they call.
"""

from __future__ import annotations

from cutaway.core.refusal import guard_methods
from cutaway.core.topics.complex import Complex
from cutaway.core.topics.drawing import Drawing
from cutaway.core.topics.layout import Layout
from cutaway.core.topics.memory import Memory
from cutaway.core.topics.order import Order
from cutaway.core.topics.places import Places
from cutaway.core.topics.products import Products
from cutaway.core.topics.replaced import Replaced
from cutaway.core.topics.sparsity import Sparsity
from cutaway.core.topics.special import Special
from cutaway.core.topics.statistics import Statistics
from cutaway.core.topics.writing import Writing

TOPICS = (Complex, Layout, Order, Places, Products, Replaced, Special, Statistics)
METHODS_ONLY = (Drawing, Memory, Sparsity, Writing)
# Those that a program may call as functions, too.
NAMES = frozenset(
    name for topic in TOPICS for name, f in vars(topic).items() if callable(f) and name[0] != "_" and not name.endswith("_")
)

for _topic in (*TOPICS, *METHODS_ONLY):
    guard_methods(_topic, [n for n, f in vars(_topic).items() if callable(f) and n[0] != "_"])
