"""Train on one day, score the next, and look at what was found: run it cell by cell, or as a script."""

# %% Readings: any DataFrame with the columns TS, Device, Sensor, Value
import numpy as np
import pandas as pd

import scoring

rng = np.random.default_rng(1)
minutes = pd.date_range("2026-11-23", "2026-11-25", freq="1min", inclusive="left")
frame = pd.concat(
    pd.DataFrame(
        {
            "TS": minutes,
            "Device": device,
            "Sensor": "temperature",
            "Value": 20 + device + np.sin(np.arange(len(minutes)) / 230) + rng.normal(0, 0.1, len(minutes)),
        }
    )
    for device in (1, 2, 3)
)
monday, tuesday = frame[frame.TS < "2026-11-24"], frame[frame.TS >= "2026-11-24"].copy()
tuesday.iloc[600:605, 3] += 9  # something happens to device 1

# %% A model for each sensor
trained = scoring.train(monday, "models")
print(trained)

# %% Score: `out` keeps the files of the run, with report.html
run = scoring.score(tuesday, "models", out="out/tuesday")
print(run)

# %% What was found
anomalies = run.predictions[run.predictions.Prediction == 1]
print(anomalies)

# %% Sensors with the largest share of anomalies, and what could not be scored
summary = run.summary.assign(share=run.summary.anomalies / run.summary.readings)
print(summary.sort_values("share", ascending=False)[["device", "sensor", "status", "readings", "share"]])
print(run.rejects)

# %% Later, or after `python -m pipeline download RUN`: read the folder of a run again
again = scoring.read_run("out/tuesday")
print(again.totals)
