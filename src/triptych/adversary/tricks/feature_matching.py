"""Feature matching: the generator matches what the critic's features are on average."""

from __future__ import annotations

from triptych.adversary.tricks.base import TRICKS, StepContext, Trick
from triptych.errors import ConfigurationError
from triptych.objectives.player import Terms
from triptych.processes import sharing, summed


@TRICKS.register("feature-matching")
class FeatureMatching(Trick):
    """The generator minimises `λ ‖E f(x) - E f(G(z))‖²` in place of its adversarial term; f are the critic's features.

    The means are over the whole minibatch, on however many processes. Reference: Salimans et al. 2016, *Improved
    Techniques for Training GANs*, §3.1.

    Args:
        weight: λ.
        keep: whether the generator keeps its adversarial term beside it.

    Raises:
        ConfigurationError: for a weight that is not above 0.
    """

    sees_features = True

    def __init__(self, *, weight: float = 1.0, keep: bool = False) -> None:
        super().__init__()
        if not 0 < weight < float("inf"):
            raise ConfigurationError(f"feature-matching:weight={weight:g}: expected a number above 0")
        self.weight, self.keep = weight, keep

    def generator_terms(self, terms: Terms, step: StepContext) -> Terms:
        """Return the terms with the distance of the means, the same number for every example."""
        real, fake = step.real_scores, step.fake_scores
        if real is None or real.features is None or fake.features is None:
            raise ConfigurationError(f"{self.called} needs a critic that gives its features")
        apart = summed((real.features.float() - fake.features.float()).mean(0)) / sharing()
        distance = self.weight * apart.square().sum()
        kept = {name: term for name, term in terms.items() if self.keep or name != "adversarial"}
        return {**kept, "feature_matching": distance.expand(len(step.batch.x))}
