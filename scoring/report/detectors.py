"""Models at hand: exact boundaries instead of ones read off the scores."""

from pathlib import Path

from scoring.errors import ModelError
from scoring.keys import SensorKey
from scoring.report.boundary import Detector
from scoring.report.charts import FindDetector
from scoring.report.folder import Sensor


def model_finder(models: Path) -> FindDetector:
    """Finds a sensor's model in a folder, if it is still the one that scored its readings."""
    from scoring.models.store import ModelStore

    store = ModelStore(models)

    def find(sensor: Sensor) -> Detector | None:
        try:
            loaded = store.get(SensorKey(sensor.device, sensor.sensor))
        except (ModelError, OSError):
            return None
        return loaded.detector if loaded.sha256 == sensor.model else None

    return find
