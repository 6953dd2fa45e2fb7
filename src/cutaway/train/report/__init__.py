"""`report.html`: one file that shows what a run learned, with no request to any network."""

from cutaway.train.report.page import Evidence, Histogram, render

__all__ = ["Evidence", "Histogram", "render"]
