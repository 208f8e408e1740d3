"""What a run found, as one page: self-contained, offline, no request ever leaves it.

folder      reads the folder of a run: summary, predictions, rejects
attention   which sensors deserve it, in which order, and why, in words
boundary    what a model calls normal, on the line of values
reduce      fewer readings to draw, every anomaly kept
earlier     boundaries that an earlier page holds
columns     numbers as short texts that a browser unfolds
charts      what is drawn of each sensor, within the page's budget
facts       what the pipeline knows of the run
telling     shares, numbers and times as a person reads them
page        the page itself; `assets` holds its style, its script and the plotting library
runs        the page that lists runs
"""
