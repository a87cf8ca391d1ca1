"""Instance noise: what the critic sees is blurred, less and less."""

from __future__ import annotations

from torch import Tensor

from triptych.adversary.tricks.base import TRICKS, Trick
from triptych.data.batches import Batch
from triptych.errors import ConfigurationError
from triptych.noise import Noise


@TRICKS.register("instance-noise")
class InstanceNoise(Trick):
    """Adds N(0, σ² I) to every example that the critic is shown, so that both laws have one support.

    `σ_t = σ max(0, 1 - t/T)`, t the number of minibatches drawn. Reference: Sønderby et al. 2017,
    *Amortised MAP Inference for Image Super-resolution*, §3.3.

    Args:
        std: σ, on the scale of [-1, 1] for images.
        steps: T; 0 for noise that does not fade.

    Raises:
        ConfigurationError: for a std or a number of steps below 0.
    """

    def __init__(self, *, std: float = 0.1, steps: int = 0) -> None:
        super().__init__()
        if not 0 <= std < float("inf") or steps < 0:
            raise ConfigurationError(f"instance-noise:std={std:g},steps={steps}: expected both at least 0")
        self.std, self.steps = std, steps

    def show(self, x: Tensor, batch: Batch, noise: Noise) -> Tensor:
        """Return the examples with noise."""
        left = 1.0
        if self.steps:
            left = 0.0 if batch.number is None else max(0.0, 1 - batch.number / self.steps)
        return x + left * self.std * noise.normal(x.shape) if left else x
