"""InfoGAN: some parts of the code must be readable from what is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from triptych.adversary import Adversary, AdversaryConfig, StepContext, Trick
from triptych.adversary.scores import View, width_of
from triptych.distributions import StandardNormal
from triptych.errors import ConfigurationError
from triptych.event import Event
from triptych.models.adversarial.base import AdversarialModel, GeneratorConfig, SizeConfig
from triptych.models.adversarial.layout import CATEGORICAL, Layout, NamedCode
from triptych.models.base import Terms
from triptych.models.codes import PlainCodes
from triptych.models.latent_variable import CodeSpace
from triptych.models.questions import Encoder
from triptych.networks.blocks import LeakyReLU, mlp
from triptych.noise import Noise
from triptych.objectives.player import AdamConfig

READER = 128
"""Hidden units of Q, as in Chen et al. 2016, appendix C."""


@dataclass(frozen=True)
class StructuredCodes:
    """Codes with a layout, then noise: `(c, z)`.

    Args:
        layout: of the codes c.
        noise: z.
    """

    layout: Layout
    noise: PlainCodes

    @property
    def space(self) -> CodeSpace:
        """Normal numbers: one for each code, then those of the noise."""
        count = len(self.layout.codes)

        def codes(u: Tensor) -> Tensor:
            return torch.cat([self.layout.at(u[:, :count]), self.noise.space.codes(u[:, count:])], 1)

        return CodeSpace(StandardNormal(count + self.noise.latent), codes)

    def draw(self, n: int, noise: Noise, label: Tensor | None = None) -> Tensor:
        """Draw c and z, `(n, latent)`."""
        c = self.layout.draw(n, noise)
        whole = PlainCodes(self.noise.prior, self.layout.size + self.noise.latent).draw(n, noise)
        return torch.cat([c, whole[:, self.layout.size :]], 1)

    def draw_views(self, n: int, noise: Noise) -> Tensor:
        """Draw codes, `(n, latent)`: one example is one view."""
        return self.draw(n, noise)


class CodeHead(Trick):
    """Reads the codes of fakes from the critic's features, by a small network Q(c | x).

    Args:
        width: of the features.
        layout: of the codes.
        weights: λ of each code, by its name.
    """

    def __init__(self, width: int, layout: Layout, weights: Mapping[str, float]) -> None:
        super().__init__()
        self.layout, self.weights = layout, dict(weights)
        self.reader = mlp(width, [READER], layout.parameters, LeakyReLU)

    def critic_terms(self, terms: Terms, step: StepContext) -> Terms:
        """Add the cross-entropies of the critic's fakes."""
        return {**terms, **self._cross_entropies(step)}

    def generator_terms(self, terms: Terms, step: StepContext) -> Terms:
        """Add the same of the generator's."""
        return {**terms, **self._cross_entropies(step)}

    def _cross_entropies(self, step: StepContext) -> Terms:
        features = step.fake_scores.features
        assert step.codes is not None and features is not None, "the model has seen to both"
        found = self.layout.cross_entropies(self.reader(features), step.codes)
        terms = {f"cross_entropy_{name}": term for name, term in found.items()}
        excess = [(weight - 1) * found[name] for name, weight in self.weights.items() if weight != 1]
        return {**terms, "excess": torch.stack(excess).sum(0)} if excess else terms

    def figures(self, means: Mapping[str, float]) -> dict[str, float]:
        """Return the lower bound on the mutual information with each code, and their sum, in nats."""
        found = {
            f"information_{name}": entropy - means[f"cross_entropy_{name}"]
            for name, entropy in self.layout.entropies.items()
        }
        return {**found, "information": sum(found.values())}


class InfoGAN(AdversarialModel, Encoder):
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
        prior: of the noise: "normal", N(0, I), or "uniform", on [-1, 1].
        classes: number of labels to condition on; 0 for none.
        generator: the generator.
        adversary: the critic, its loss, penalties and tricks.
        networks: sizes of both.
        adam: the optimiser of both.

    Raises:
        ConfigurationError: for codes or weights out of range, a critic that does not give its features, a trick that
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
        prior: str = "normal",
        classes: int = 0,
        generator: GeneratorConfig = GeneratorConfig(),
        adversary: AdversaryConfig = AdversaryConfig(),
        networks: SizeConfig = SizeConfig(),
        adam: AdamConfig = AdamConfig(),
    ) -> None:
        if not (0 <= information < float("inf") and 0 <= continuous_information < float("inf")):
            raise ConfigurationError(
                f"information={information:g}, continuous_information={continuous_information:g}: expected weights of "
                "at least 0"
            )
        layout = Layout(categorical, continuous)
        super().__init__(event, classes, StructuredCodes(layout, PlainCodes(prior, latent)), adam)
        self.layout, self.latent, self.prior = layout, layout.size + latent, prior
        weights = {c.name: information if c.kind == CATEGORICAL else continuous_information for c in layout.codes}
        sizes = networks.sizes(classes)
        self.generator = generator.build(event, self.latent, sizes)
        self.adversary = Adversary(
            adversary,
            event,
            adversary.critic_for(event, sizes),
            opponents={"generator": self.generator},
            heads=lambda critic: [CodeHead(width_of(critic, "infogan"), layout, weights)],
        )
        if replaying := [trick.called for trick in self.adversary.parts if type(trick).fakes is not Trick.fakes]:
            raise ConfigurationError(f"infogan must know the codes of its fakes: leave out the trick {replaying[0]!r}")

    @property
    def code_layout(self) -> tuple[NamedCode, ...]:
        """The codes, by name."""
        return self.layout.codes

    def _encode(self, x: Tensor, label: Tensor | None) -> Tensor:
        """Return E_Q[c | x], and 0 for the noise, `(B, latent)`."""
        (head,) = self.adversary.heads
        assert isinstance(head, CodeHead)
        features = self.adversary.scores(View(self.event.scaled(x), label)).features
        c = self.layout.means(head.reader(features))
        return torch.cat([c, c.new_zeros(len(c), self.latent - self.layout.size)], 1)
