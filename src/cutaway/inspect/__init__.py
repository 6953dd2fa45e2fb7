"""Looking in: watch any program run, and see every value and gradient. Nothing below imports this.

record          `with record() as r:` around any code: the graph, forward and backward, value by value
why             why is this tensor's gradient None, zero, huge or NaN
detect_anomaly  the first operation, forward or backward, that makes NaN or Inf, with its line and the form to write instead
summary         each layer's shapes, parameters, work and time
"""

from importlib import import_module
from typing import Any

from cutaway.inspect.recording import Recording, record

__all__ = [
    "Answer", "Recording", "Summary", "detect_anomaly", "is_anomaly_enabled", "record", "set_detect_anomaly", "summary",
    "why",
]  # fmt: skip

# Loaded when first named; the name then stands for the function, over the module of that name.
_WHERE = {
    "Answer": "answer", "Summary": "summary", "detect_anomaly": "anomaly", "is_anomaly_enabled": "anomaly",
    "set_detect_anomaly": "anomaly", "summary": "summary", "why": "why",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        value = getattr(import_module(f"cutaway.inspect.{_WHERE[name]}"), name)
        globals()[name] = value
        return value
    from cutaway.core.absent import absent

    raise absent("cutaway.inspect", name, __all__)
