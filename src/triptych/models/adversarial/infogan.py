"""InfoGAN: some parts of the code must be readable from what is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from triptych.distributions import StandardNormal
from triptych.errors import ConfigurationError
from triptych.event import Event
from triptych.models.adversarial.gan import GAN
from triptych.models.adversarial.layout import CATEGORICAL, Layout, NamedCode
from triptych.models.adversarial.tricks import Trick, Turn
from triptych.models.adversarial.variant import variant, width_of
from triptych.models.base import Player, Terms
from triptych.models.latent_variable import CodeSpace
from triptych.models.questions import Encoder
from triptych.networks.blocks import LeakyReLU, mlp
from triptych.noise import Noise

READER = 128
"""Hidden units of Q, as in Chen et al. 2016, appendix C."""


@variant()
class InfoGAN(GAN, Encoder):
    """A GAN whose generator keeps the codes c readable: G(c, z), with the mutual information I(c; G(c, z)) held high.

    Both players also raise the variational lower bound `L_I = E[log Q(c | x)] + H(c) ≤ I(c; x)`, in nats: `min_{G,Q}
    max_D V(D, G) - λ L_I(G, Q)`. Q reads the critic's features by a small network of its own. The codes come first in
    the code, then the noise z: c1, c2, … are categories, one-hot, then numbers uniform on [-1, 1], whose Q is a
    Gaussian of learned mean and scale. Reference: Chen et al. 2016, *InfoGAN*, eq. 5-6, appendix C.

    What is minimised is, of each code, the cross-entropy `-log Q(c | x)` in nats (`cross_entropy_c1`), and what a λ
    other than 1 adds to it (`excess`). What a run logs besides are the bounds, `information_c1 = H(c1) - E[-log Q]`,
    and their sum, `information`; of continuous codes the entropies are differential ones.

    As an encoder it gives what Q expects of c, probabilities of a category's values among them; of the noise, which
    nothing is known of, the prior's mean 0.

    Args:
        event: what one example is.
        latent: dimensions of the noise z, besides the codes.
        categorical: values of each categorical code, with commas between: "10", "10,10", or "none".
        continuous: number of continuous codes.
        information: weight λ of the bound of categorical codes.
        continuous_information: weight λ of the bound of continuous codes.

    Raises:
        ConfigurationError: for codes or weights out of range, a critic that does not tell its features, a trick that
            replays fakes, or what GAN refuses.

    Example:
        >>> import triptych as tp
        >>> model = tp.build("infogan", tp.Event((1, 8, 8), levels=17), categorical="4", continuous=1, latent=3)
        >>> model.latent, [code.name for code in model.code_layout]
        (8, ['c1', 'c2'])
        >>> model.encode(model.sample(2, seed=0))[:, :4].sum(1).round(decimals=4)   # probabilities of the values of c1
        tensor([1., 1.])
    """

    def __init__(
        self,
        event: Event,
        latent: int = 62,
        categorical: str = "10",
        continuous: int = 2,
        information: float = 1.0,
        continuous_information: float = 0.1,
        **game: Any,
    ) -> None:
        if not (0 <= information < float("inf") and 0 <= continuous_information < float("inf")):
            raise ConfigurationError(
                f"information={information:g}, continuous_information={continuous_information:g}: expected weights of "
                "at least 0"
            )
        if latent < 1:
            raise ConfigurationError(f"latent={latent}: expected at least 1 dimension of noise")
        layout = Layout(categorical, continuous)
        super().__init__(event, latent=latent + layout.size, **game)
        if replaying := [trick.called for trick in self._tricks if type(trick).fakes is not Trick.fakes]:
            raise ConfigurationError(f"infogan must know the codes of its fakes: leave out the trick {replaying[0]!r}")
        self.layout = layout
        self.weights = {
            code.name: information if code.kind == CATEGORICAL else continuous_information for code in layout.codes
        }
        self.reader = mlp(width_of(self.critic, "infogan"), [READER], layout.parameters, LeakyReLU)

    @property
    def code_layout(self) -> tuple[NamedCode, ...]:
        """The codes, by name."""
        return self.layout.codes

    @property
    def players(self) -> tuple[Player, ...]:
        """The critic, who owns Q, and the generator; both raise the bound."""
        critic, generator = super().players
        return replace(critic, modules=[*critic.modules, self.reader]), replace(generator, figures=self.bounds)

    def bounds(self, means: Mapping[str, float]) -> dict[str, float]:
        """Return the lower bound on the mutual information with each code, and their sum, in nats.

        Args:
            means: of the terms that the generator minimises, by name.
        """
        found = {
            f"information_{name}": entropy - means[f"cross_entropy_{name}"]
            for name, entropy in self.layout.entropies.items()
        }
        return {**found, "information": sum(found.values())}

    def critic_terms(self, turn: Turn) -> Terms:
        """Return the cross-entropies of the critic's fakes."""
        return self._unexplained(turn)

    def generator_terms(self, turn: Turn) -> Terms:
        """Return the same of the generator's."""
        return self._unexplained(turn)

    def _unexplained(self, turn: Turn) -> Terms:
        if turn.codes is None:
            raise ConfigurationError(
                "infogan must know the codes of its fakes: leave out the trick that replays others"
            )
        assert turn.of_fake.features is not None, "the constructor has seen that the critic tells them"
        found = self.layout.cross_entropies(self.reader(turn.of_fake.features), turn.codes)
        terms = {f"cross_entropy_{name}": term for name, term in found.items()}
        excess = [(weight - 1) * found[name] for name, weight in self.weights.items() if weight != 1]
        return {**terms, "excess": torch.stack(excess).sum(0)} if excess else terms

    def _sample_codes(self, n: int, noise: Noise) -> Tensor:
        """Draw c and z, `(n, latent)`."""
        c = self.layout.draw(n, noise)
        return torch.cat([c, super()._sample_codes(n, noise)[:, self.layout.size :]], 1)

    @property
    def code_space(self) -> CodeSpace:
        """Normal numbers: one for each code, then those of the noise."""
        noise, count = super().code_space.codes, len(self.layout.codes)
        dims = count + self.latent - self.layout.size

        def codes(u: Tensor) -> Tensor:
            return torch.cat([self.layout.at(u[:, :count]), noise(u[:, count:])], 1)

        return CodeSpace(StandardNormal(dims), codes)

    def _encode(self, x: Tensor, label: Tensor | None) -> Tensor:
        """Return E_Q[c | x], and 0 for the noise, `(B, latent)`."""
        features = self.opinion(self.event.scaled(x), label).features
        assert features is not None
        c = self.layout.means(self.reader(features))
        return torch.cat([c, c.new_zeros(len(c), self.latent - self.layout.size)], 1)
