"""What a run found, as one page: self-contained, offline, no request ever leaves it.

folder   reads the finished folder of a run: summary, predictions, rejects
attention   which sensors deserve it, in which order, and why, in words
boundary    what a model calls normal, on the line of values
reduce      fewer readings to draw, every anomaly kept
columns     numbers as short texts that a browser unfolds
charts      what is drawn of each sensor, within the page's budget
page        the page itself; `assets` holds its style, its script and the plotting library
runs        the page that lists runs
"""

from scoring.report.detectors import model_finder
from scoring.report.facts import RunFacts
from scoring.report.page import REPORT_NAME, write_report
from scoring.report.runs import RunRow, write_index

__all__ = ["REPORT_NAME", "RunFacts", "RunRow", "model_finder", "write_index", "write_report"]
