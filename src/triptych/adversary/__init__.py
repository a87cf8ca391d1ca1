"""The adversary: a critic, its loss, penalties and tricks, as a part that any model can have."""

from triptych.adversary.adversary import Adversary
from triptych.adversary.config import AdversaryConfig
from triptych.adversary.scores import Scores, View
from triptych.adversary.tricks import TRICKS, Setting, StepContext, Trick

__all__ = ["TRICKS", "Adversary", "AdversaryConfig", "Scores", "Setting", "StepContext", "Trick", "View"]
