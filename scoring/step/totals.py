"""The totals of each sensor over the batches of a step."""

from typing import Any

import numpy as np

from scoring.errors import ModelError, ModelMissing
from scoring.formats import SensorStatus
from scoring.keys import SensorKey
from scoring.models.files import LoadedModel
from scoring.step.batch import FACTS, ScoredBatch
from scoring.step.history import History, SensorHistory
from scoring.step.outcome import SensorOutcome
from scoring.step.predictions import PredictionFiles


class Totals:
    """Adds up facts and passes rows to the files; a sensor that fails in one batch gets no file."""

    def __init__(self, files: PredictionFiles) -> None:
        self._files = files
        self._places: dict[SensorKey, int] = {}
        self._models: list[LoadedModel | ModelError] = []
        self._facts = np.empty(0, FACTS)
        self._history = History()

    def add(self, batch: ScoredBatch) -> None:
        """Add a batch; call this in the order of the readings."""
        known = len(self._places)
        places = np.array([self._places.setdefault(key, len(self._places)) for key in batch.keys], np.intp)
        for rows in (batch.days, batch.anomalies):
            rows["place"] = places[rows["place"]]
        self._history.add(batch.days, batch.anomalies)
        old = places < known
        self._merge(places[old], batch.facts[old])
        if len(self._places) > known:
            self._facts = np.concatenate([self._facts, batch.facts[~old]])
        for i, (place, key, model) in enumerate(zip(places.tolist(), batch.keys, batch.models, strict=True)):
            if place == len(self._models):
                self._models.append(model)
            elif isinstance(model, ModelError):
                self._files.drop(key)
                self._models[place] = model
            if isinstance(self._models[place], LoadedModel):
                self._files.append(key, batch.rows[batch.bounds[i] : batch.bounds[i + 1]])

    def _merge(self, places: np.ndarray, more: np.ndarray) -> None:
        """Add to sensors of earlier batches; each is in `places` once."""
        facts = self._facts
        facts["readings"][places] += more["readings"]
        facts["anomalies"][places] += more["anomalies"]
        for name, extreme in (("worst", np.minimum), ("lowest", np.minimum), ("highest", np.maximum)):
            facts[name][places] = extreme(facts[name][places], more[name])
        earlier = more["first"] < facts["first"][places]
        later = more["last"] > facts["last"][places]
        for which, names in ((earlier, ["first", "first_ts"]), (later, ["last", "last_ts"])):
            for name in names:
                facts[name][places[which]] = more[name][which]

    def outcomes(self, gap: float | None) -> list[SensorOutcome]:
        """An outcome for each sensor with readings, in order of their keys.

        Readings of an episode are up to `gap` seconds apart; None for the gap of each sensor's interval.
        """
        failed = np.array([isinstance(model, ModelError) for model in self._models], bool)
        history = list(self._history.of_sensors(self._facts["lowest"], self._facts["highest"], failed, gap))
        facts = self._facts[["readings", "anomalies", "first_ts", "last_ts", "worst"]].tolist()
        return [
            _outcome(key, self._models[place], facts[place], history[place])
            for key, place in sorted(self._places.items())
        ]


def _outcome(
    key: SensorKey, model: LoadedModel | ModelError, facts: Any, history: SensorHistory
) -> SensorOutcome:
    readings, anomalies, first, last, worst = facts
    if isinstance(model, ModelError):
        status = SensorStatus.NO_MODEL if isinstance(model, ModelMissing) else SensorStatus.FAILED
        return SensorOutcome(*key, status, str(model), readings, days=history.days)
    return SensorOutcome(
        *key,
        status=SensorStatus.SCORED,
        readings=readings,
        anomalies=anomalies,
        first=first,
        last=last,
        worst=worst,
        model=model.sha256,
        gap=history.gap,
        days=history.days,
        episodes=history.episodes,
    )
