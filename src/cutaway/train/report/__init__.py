"""`report.html`: one file that shows what a run learned, with no request to any network."""

from cutaway.train.report.evidence import Evidence, Histogram, Mistake, Plate, Weights
from cutaway.train.report.page import render

__all__ = ["Evidence", "Histogram", "Mistake", "Plate", "Weights", "render"]
