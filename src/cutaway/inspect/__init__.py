"""Looking in: watch any program run, and see every value and gradient. Nothing below imports this.

record          `with record() as r:` around any code: the graph, forward and backward, value by value
why             why is this tensor's gradient None, zero, huge or NaN
detect_anomaly  the first operation, forward or backward, that makes NaN or Inf, with its line and the form to write instead
summary         each layer's shapes, parameters, work and time
"""

from cutaway.inspect.anomaly import detect_anomaly, is_anomaly_enabled, set_detect_anomaly
from cutaway.inspect.answer import Answer
from cutaway.inspect.recording import Recording, record
from cutaway.inspect.summary import Summary, summary
from cutaway.inspect.why import why

__all__ = [
    "Answer", "Recording", "Summary", "detect_anomaly", "is_anomaly_enabled", "record", "set_detect_anomaly", "summary",
    "why",
]  # fmt: skip
