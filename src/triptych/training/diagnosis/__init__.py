"""The doctor: what goes wrong in training without a loss saying so.

An `Examiner` writes figures of the model into the records of a run; detectors see nothing but these records. So a
finding is the same while a model trains, after a resumption, and when a finished run is read again.
"""

from triptych.training.diagnosis import common, games
from triptych.training.diagnosis.common import NON_FINITE
from triptych.training.diagnosis.doctor import Doctor
from triptych.training.diagnosis.examination import Examiner
from triptych.training.diagnosis.finding import DETECTORS, Detector, Finding, diagnosed

__all__ = ["DETECTORS", "NON_FINITE", "Detector", "Doctor", "Examiner", "Finding", "common", "diagnosed", "games"]
