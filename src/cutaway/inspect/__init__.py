"""Looking in: watch any program run, and see every value and gradient.

record      `with record() as r:` around any code: the graph, forward and backward, value by value
"""

from cutaway.inspect.recording import Recording, record

__all__ = ["Recording", "record"]
