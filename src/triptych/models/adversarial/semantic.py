"""SD-GAN: a code of who it is and a code of how it is seen, told apart by a critic of pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from triptych.adversary import Adversary, AdversaryConfig
from triptych.data.batches import Batch
from triptych.data.examples import Examples
from triptych.data.load import require_classes
from triptych.errors import ConfigurationError, DataError
from triptych.event import Event
from triptych.models.adversarial.base import AdversarialModel, GeneratorConfig, SizeConfig
from triptych.models.codes import PlainCodes
from triptych.models.latent_variable import CodeSpace
from triptych.networks.blocks import LeakyReLU
from triptych.networks.critics import Critic, Layer, layers_behind
from triptych.networks.norms import spectrally_normed
from triptych.noise import Noise
from triptych.objectives.player import AdamConfig


class Siamese(nn.Module):
    """One trunk on both examples of a pair, and a layer that sees its features of both, `(B, 2, …) -> (B, width)`.

    Args:
        trunk: from scaled examples to `(B, width)`.
        width: its features.
    """

    def __init__(self, trunk: nn.Module, width: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.joint = nn.Linear(2 * width, width)
        self.activation = LeakyReLU()
        if any(parametrize.is_parametrized(part) for part in trunk.modules()):
            spectrally_normed(self.joint)

    def forward(self, pairs: Tensor) -> Tensor:
        """Return the features of pairs."""
        both = self.trunk(pairs.flatten(0, 1)).view(len(pairs), -1)
        out: Tensor = self.activation(self.joint(both))
        return out


def partners(label: Tensor, noise: Noise) -> tuple[Tensor, Tensor] | None:
    """Draw pairs of different examples of one label from a minibatch.

    The examples of each label stand in a circle in an order that is drawn, and each is the first of a pair with the
    next one. An example alone in its label is in no pair: another pair of the minibatch, drawn, takes the place.

    Args:
        label: `(B,)`.
        noise: a stream of randomness.

    Returns:
        The rows of the first examples and of the second ones, both `(B,)`.
        None if no two examples have the same label.

    Example:
        >>> first, second = partners(torch.tensor([7, 3, 7, 3, 5]), Noise.of(0))
        >>> [(int(i), int(j)) for i, j in zip(first, second)][:4]
        [(0, 2), (1, 3), (2, 0), (3, 1)]
        >>> partners(torch.tensor([7, 3, 5]), Noise.of(0)) is None
        True
    """
    n = len(label)
    drawn, spare = noise.uniform((n, 2)).unbind(1)
    order = drawn.argsort()
    order = order[label[order].argsort(stable=True)]  # label by label, and within one as drawn
    ordered = label[order]
    place = torch.arange(n, device=label.device)
    starts, ends = torch.searchsorted(ordered, ordered), torch.searchsorted(ordered, ordered, right=True)
    following = torch.where(place + 1 < ends, place + 1, starts)
    second = torch.empty_like(order)
    second[order] = order[following]
    paired = (second != place).nonzero()[:, 0]
    if not len(paired):
        return None
    first = torch.where(second != place, place, paired[(spare * len(paired)).long()])
    return first, second[first]


class PairViews:
    """Two examples of one label are a view."""

    def of_batch(self, batch: Batch, noise: Noise) -> tuple[Batch, bool]:
        """Return a minibatch of pairs, `(B, 2, …)`, without labels, and whether any two have the same label."""
        if batch.label is None:
            raise DataError("sd-gan learns from the label of each example: none were given")
        found = partners(batch.label, noise)
        first, second = found or (torch.arange(len(batch.x), device=batch.x.device),) * 2
        return batch._replace(x=torch.stack([batch.x[first], batch.x[second]], 1), label=None), found is not None

    def of_one(self, x: Tensor) -> Tensor:
        """Return each example as a pair with itself."""
        return torch.stack([x, x], 1)


@dataclass(frozen=True)
class IdentityCodes:
    """Codes whose first part is the identity, and the rest the observation.

    Args:
        codes: the whole code.
        identity: dimensions of the first part.
    """

    codes: PlainCodes
    identity: int

    @property
    def space(self) -> CodeSpace:
        """Normal numbers."""
        return self.codes.space

    def draw(self, n: int, noise: Noise, label: Tensor | None = None) -> Tensor:
        """Draw codes, `(n, latent)`."""
        return self.codes.draw(n, noise)

    def draw_views(self, n: int, noise: Noise) -> Tensor:
        """Draw two codes of each of `n` identities, `(n, 2, latent)`."""
        return self.observed(n, 2, noise)

    def observed(self, n: int, each: int, noise: Noise) -> Tensor:
        """Draw `each` codes of each of `n` identities, `(n, each, latent)`."""
        codes = torch.stack([self.draw(n, noise) for _ in range(each)], 1)
        codes[:, :, : self.identity] = codes[:, :1, : self.identity]
        return codes


def critic_of_pairs(make_single: Callable[[Sequence[Layer]], nn.Module], layers: Sequence[Layer]) -> nn.Module:
    """Return a critic of pairs from what makes one of single examples; the user's own as it is.

    Args:
        make_single: returns a critic of single examples.
        layers: of tricks, behind the trunk.
    """
    single = make_single(())
    if not isinstance(single, Critic):
        return single
    critic = Critic(Siamese(single.trunk, single.width), single.width, layers_behind(single.width, layers))
    if parametrize.is_parametrized(single.head):
        spectrally_normed(critic.head)
    return critic


class SemanticGAN(AdversarialModel):
    """A GAN whose code is an identity and an observation: two codes of one identity make two examples of one.

    The critic scores pairs. Real ones are two examples of the same label, the identity; made ones are `G(i, o_1)` and
    `G(i, o_2)`, of one identity code i and two observations o. The critic is Siamese: one trunk on both, and a layer on
    both features. Labels are learned from, and never asked for: a new identity is a new code. Partners are sought
    within the minibatch (of each process); an example without any is in no pair, and a minibatch without any asks
    nothing. Asked of single examples, `judge` scores each as a pair with itself. Reference: Donahue, Lipton,
    Balsubramani & McAuley 2018, *Semantically Decomposing the Latent Spaces of Generative Adversarial Networks*, §3,
    Algorithm 1.

    Args:
        event: what one example is.
        identity: dimensions of the code that are of the identity, the first ones; the rest are of the observation.
        latent: dimensions of the whole code.
        classes: must be 0: labels are identities, which it is not conditioned on.
        prior: of the code: "normal", N(0, I), or "uniform", on [-1, 1].
        generator: the generator.
        adversary: its critic scores pairs; one of your own maps `(B, 2, C, H, W)` to `(B, 1)`.
        networks: sizes of both.
        adam: the optimiser of both.

    Raises:
        ConfigurationError: for an identity that is not a part of the code, classes, or what GAN refuses.

    Example:
        >>> import triptych as tp
        >>> model = tp.build("sd-gan", tp.Event((1, 8, 8), levels=17), identity=2, latent=5)
        >>> codes = model.sample_identities(3, 4, seed=0)   # four observations of each of three
        >>> codes.shape, bool((codes[0, 0, :2] == codes[0, 3, :2]).all())
        (torch.Size([3, 4, 5]), True)
    """

    def __init__(
        self,
        event: Event,
        identity: int = 16,
        latent: int = 64,
        classes: int = 0,
        prior: str = "normal",
        generator: GeneratorConfig = GeneratorConfig(),
        adversary: AdversaryConfig = AdversaryConfig(),
        networks: SizeConfig = SizeConfig(),
        adam: AdamConfig = AdamConfig(),
    ) -> None:
        if classes:
            raise ConfigurationError(
                f"classes={classes}: sd-gan learns labels as identities and takes none: leave it out"
            )
        if not 0 < identity < latent:
            raise ConfigurationError(f"identity={identity}, latent={latent}: expected a part of the code, above 0")
        identities = IdentityCodes(PlainCodes(prior, latent), identity)
        super().__init__(event, 0, identities, adam, PairViews())
        self.identities = identities
        self.identity, self.latent, self.prior = identity, latent, prior
        sizes = networks.sizes(0)
        self.generator = generator.build(event, latent, sizes)
        self.adversary = Adversary(
            adversary,
            event,
            partial(critic_of_pairs, adversary.critic_for(event, sizes)),
            opponents={"generator": self.generator},
            shape=(2, *event.shape),
        )

    @property
    def learns_labels(self) -> bool:
        """Whether it is trained on labelled examples: it is, though it takes no label."""
        return True

    def sample_identities(self, n: int, each: int = 2, *, seed: int | torch.Generator | None = None) -> Tensor:
        """Draw codes of several observations of each of several identities, `(n, each, latent)`.

        Args:
            n: how many identities.
            each: how many observations of each.
            seed: a number or a `torch.Generator`; None for a fresh one.

        Raises:
            ConfigurationError: for n or each below 1.
        """
        if n < 1 or each < 1:
            raise ConfigurationError(
                f"{each} observations of {n} identities were asked for: expected at least 1 of each"
            )
        with self.asking():
            return self.identities.observed(n, each, self._noise(seed)).cpu()

    def check_training(self, train: Examples) -> None:
        """Raise `DataError` for examples of one identity, or no two of any."""
        require_classes(train, "an SD-GAN")
        assert train.labels is not None
        if int(torch.unique(train.labels, return_counts=True)[1].max()) < 2:
            raise DataError(f"no two of the {len(train)} examples have the same label: an SD-GAN learns from pairs")
