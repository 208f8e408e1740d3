"""The models that scored a run, to ask them for exact boundaries."""

from scoring.keys import SensorKey
from scoring.models.detector import Detector
from scoring.models.files import LoadedModel
from scoring.report.folder import SensorRow
from scoring.report.sensor_views import FindDetector
from scoring.step.batch import FindModel


def detector_finder(find_model: FindModel) -> FindDetector:
    """Finds a sensor's model, if it is still the one that scored its readings."""

    def find(sensor: SensorRow) -> Detector | None:
        try:
            model = find_model(SensorKey(sensor.device, sensor.sensor))
        except OSError:
            return None
        return model.detector if isinstance(model, LoadedModel) and model.sha256 == sensor.model else None

    return find
