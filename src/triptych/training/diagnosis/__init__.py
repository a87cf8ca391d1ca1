"""The doctor: what goes wrong in training without a loss saying so.

An `Examiner` writes figures of the model into the records of a run; detectors see nothing but these records. So a
finding is the same while a model trains, after a resumption, and when a finished run is read again.
"""

from triptych.training.diagnosis import common, games
from triptych.training.diagnosis.common import NON_FINITE
from triptych.training.diagnosis.doctor import TOLD, Doctor
from triptych.training.diagnosis.examination import (
    ACTIVE,
    AUC,
    ENERGY,
    EXAMPLES_SEEN,
    GOOD,
    INACTIVE,
    KINDS,
    MODES,
    MODES_OF,
    NOVELTY,
    PREFIXES,
    VARIETY,
    Examiner,
    examination_due,
)
from triptych.training.diagnosis.finding import DETECTORS, Detector, Finding, detector, diagnosed

__all__ = [
    "ACTIVE",
    "AUC",
    "DETECTORS",
    "ENERGY",
    "EXAMPLES_SEEN",
    "GOOD",
    "INACTIVE",
    "KINDS",
    "MODES",
    "MODES_OF",
    "NON_FINITE",
    "NOVELTY",
    "PREFIXES",
    "TOLD",
    "VARIETY",
    "Detector",
    "Doctor",
    "Examiner",
    "Finding",
    "common",
    "detector",
    "diagnosed",
    "examination_due",
    "games",
]
