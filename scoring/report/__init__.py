"""What a run found, as one self-contained page that works offline and sends no request.

folder         reads the folder of a run: summary, predictions, rejects
attention      which sensors need it, in which order, and why, in words
boundary       what a model calls normal, on the line of values
boundary_file  exact boundaries, stored with the run
detectors      the models that scored the run
downsample     fewer readings to draw, every anomaly kept
encoding       columns of numbers as short texts that the script decodes
sensor_views   what is shown of each sensor, within the page's budget
timeline       anomalies over the time of the run
episodes       anomalies that belong together
facts          what the pipeline knows of the run
findings       headline, and what needs attention
tiles          the numbers at the top
formatting     shares, numbers and times for people
templates      renders the templates in `assets`, which also holds style, script and plotting library
page           `report.html`
fleet          `fleet.html`: every sensor over days
names          the order of names
index          `index.html`: the page that lists runs
"""
