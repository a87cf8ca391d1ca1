"""The coupled GAN: one code, an example in each of several domains, learned without pairs."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from triptych.adversary import Adversary, AdversaryConfig
from triptych.adversary.scores import width_of
from triptych.data.examples import Examples
from triptych.data.load import require_classes
from triptych.errors import ConfigurationError, DataError
from triptych.event import Event
from triptych.models.adversarial.base import AdversarialModel, GeneratorConfig, SizeConfig
from triptych.models.codes import PlainCodes
from triptych.networks.blocks import LeakyReLU
from triptych.networks.norms import spectrally_normed
from triptych.objectives.player import AdamConfig


def by_domain(parts: nn.ModuleList, x: Tensor, label: Tensor) -> Tensor:
    """Send each example through the part of its domain, `(B, …)`.

    Example:
        >>> parts = nn.ModuleList([nn.Identity(), nn.Flatten(0)])
        >>> by_domain(parts, torch.tensor([5.0, 6.0, 7.0]), torch.tensor([1, 0, 1]))
        tensor([5., 6., 7.])
    """
    order = label.argsort(stable=True)
    counts = torch.bincount(label, minlength=len(parts)).tolist()
    shares = zip(parts, torch.split(x[order], counts), strict=True)
    return torch.cat([part(own) for part, own in shares if len(own)])[order.argsort()]


class CoupledGenerator(nn.Module):
    """A network that all domains share, from the code on, then a layer of each domain's own.

    Args:
        shared: from codes to `(B, features, H, W)`, or `(B, features)` for vectors.
        event: what one example is.
        features: what the shared network gives at each position.
        domains: how many.
    """

    def __init__(self, shared: nn.Module, event: Event, features: int, domains: int) -> None:
        super().__init__()
        self.shared = shared
        self.own = nn.ModuleList(
            nn.Sequential(nn.ReLU(), _linear(event, features, event.shape[0])) for _ in range(domains)
        )

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        """Return the example of each code in the domain of its label."""
        return by_domain(self.own, self.shared(z), label)


class CoupledCritic(nn.Module):
    """A layer of each domain's own, next to the example, then a critic that all domains share.

    Args:
        shared: a critic of `(B, features, H, W)`, or `(B, features)`, that gives its features.
        event: what one example is.
        features: what it is given at each position.
        domains: how many.
    """

    def __init__(self, shared: nn.Module, event: Event, features: int, domains: int) -> None:
        super().__init__()
        self.width = width_of(shared, "coupled-gan")
        self.shared = shared
        self.own = nn.ModuleList(
            nn.Sequential(_linear(event, event.shape[0], features), LeakyReLU()) for _ in range(domains)
        )
        if any(parametrize.is_parametrized(part) for part in shared.modules()):
            spectrally_normed(self.own)  # a bound on the slope of a part alone would be none

    def features(self, x: Tensor, label: Tensor) -> Tensor:
        """Return what the logit is read from, `(B, width)`."""
        seen: Tensor = self.shared.features(by_domain(self.own, x, label))  # type: ignore[operator]
        return seen

    def logits(self, features: Tensor, label: Tensor | None = None) -> Tensor:
        """Return the logits that are read from features, `(B, 1)`."""
        logits: Tensor = self.shared.logits(features)  # type: ignore[operator]
        return logits

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        """Return the logits of scaled examples of the domains that labels say."""
        return self.logits(self.features(x, label))


class CoupledGAN(AdversarialModel):
    """A GAN for each of several domains, which share the generator's first layers and the critic's last ones.

    What is high-level is decided in the shared layers and drawn in each domain's own, so that one code gives one
    example in each domain, and these correspond, although the game sees unpaired examples only, labelled by their
    domain: `decode(z, label=d)`. Each domain owns the generator's last layer, next to the example, and the critic's
    first. That they correspond follows from the sharing alone, and may fail: no term asks for it. Reference: Liu &
    Tuzel 2016, *Coupled Generative Adversarial Networks*, §3.

    Args:
        event: what one example is.
        classes: number of domains, which are the labels; see `triptych.data.load(domains=...)`.
        shared_features: what the shared networks give, or are given, at each position of an example.
        latent: dimensions of the code z.
        prior: of the code: "normal", N(0, I), or "uniform", on [-1, 1].
        generator: the shared part; a module of your own maps codes to `(B, shared_features, H, W)`.
        adversary: its critic is the shared part; one of your own scores `(B, shared_features, H, W)` and gives its
            features.
        networks: sizes of both.
        adam: the optimiser of both.

    Raises:
        ConfigurationError: for fewer than 2 domains, shared_features < 1, or what GAN refuses.

    Example:
        >>> import triptych as tp
        >>> model = tp.build("coupled-gan", tp.Event((1, 8, 8), levels=17), latent=3)
        >>> z = model.sample_codes(4, seed=0)
        >>> pairs = model.decode(z, label=0), model.decode(z, label=1)
        >>> [len(side) for side in pairs]
        [4, 4]
    """

    def __init__(
        self,
        event: Event,
        classes: int = 2,
        shared_features: int = 16,
        latent: int = 64,
        prior: str = "normal",
        generator: GeneratorConfig = GeneratorConfig(),
        adversary: AdversaryConfig = AdversaryConfig(),
        networks: SizeConfig = SizeConfig(),
        adam: AdamConfig = AdamConfig(),
    ) -> None:
        if classes < 2 or shared_features < 1:
            raise ConfigurationError(
                f"classes={classes}, shared_features={shared_features}: expected at least 2 domains, which are the "
                "labels, and 1 feature"
            )
        for option, way in {"generator_labels": generator.labels, "critic_labels": adversary.labels}.items():
            if way != "concatenation":
                raise ConfigurationError(
                    f"{option}={way!r}: each domain of a coupled-gan has layers of its own: leave it out"
                )
        super().__init__(event, classes, PlainCodes(prior, latent), adam)
        self.latent, self.prior = latent, prior
        shared = replace(event, shape=(shared_features, *event.shape[1:]), centre=(), spread=())
        sizes = networks.sizes(0)
        self.generator = CoupledGenerator(generator.build(shared, latent, sizes), event, shared_features, classes)
        make_shared = adversary.critic_for(shared, sizes)
        self.adversary = Adversary(
            adversary,
            event,
            lambda layers: CoupledCritic(make_shared(layers), event, shared_features, classes),
            opponents={"generator": self.generator},
        )

    def check_training(self, train: Examples) -> None:
        """Raise `DataError` unless there are examples of every domain."""
        require_classes(train, "a coupled GAN")
        assert train.labels is not None
        if len(there := torch.unique(train.labels)) < self.classes:
            raise DataError(f"the data has examples of {len(there)} domains, the model classes={self.classes}")


def _linear(event: Event, inputs: int, outputs: int) -> nn.Module:
    return nn.Conv2d(inputs, outputs, 3, padding=1) if event.is_image else nn.Linear(inputs, outputs)
