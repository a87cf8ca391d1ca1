"""The stacked autoencoder: trained layer by layer, then as a whole."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from triptych.data.batches import Batch
from triptych.distributions import Law
from triptych.errors import ConfigurationError
from triptych.event import Event
from triptych.models.autoencoders.denoiser import Denoiser
from triptych.models.base import Player, Terms
from triptych.networks import Perceptron, Sizes
from triptych.networks.blocks import with_label
from triptych.noise import Noise
from triptych.objectives.corruption import Corruption, corrupted, resolve_corruption

ADAM = partial(torch.optim.Adam, lr=1e-3)


class StackedAutoencoder(Denoiser):
    """A deep autoencoder whose layers are trained one after the other, each on what the one below makes.

    Layer k learns to reconstruct `h_k = f_k(h_{k-1})`'s input alone: `min E ‖h_{k-1} - g_k(f_k(h_{k-1}))‖²`, h_0
    being the example. Then all of them are trained together (*fine-tuning*). With a corruption each layer is
    trained on a corrupted input. Reference: Hinton et al. 2006, *A Fast Learning Algorithm for Deep Belief Nets*;
    Bengio et al. 2007, *Greedy Layer-Wise Training of Deep Networks*, §2.4; Vincent et al. 2010, §3.4, for the
    corruption.

    Args:
        event: what one example is.
        latent: dimensions of the code; None for 32, or as many as an example has if fewer.
        loss: "squared", "likelihood" (the nats of the law that suits the data), or a law's name or `Law` class.
        corruption: "none", "gaussian", "masking", or a function of scaled examples and noise, which is then given
            the units of hidden layers, too.
        amount: of the corruption: standard deviation (1 is from black to white), or probability.
        pretraining: rounds that each layer is trained for alone; 0 for fine-tuning only.
        hidden: units of each hidden layer (equal ones do as well as others: Larochelle et al. 2009, §6.1).
        layers: hidden layers between the example and its code.
        activation: of hidden layers: relu, leaky-relu, silu, sigmoid or tanh.
        classes: number of labels to condition on; 0 for none.

    Raises:
        ConfigurationError: for latent < 1 or larger than the data, pretraining < 0, or an unknown part.

    Example:
        >>> import triptych as tp
        >>> model = tp.StackedAutoencoder(tp.Event((1, 8, 8), levels=17), latent=4, pretraining=100)
        >>> [(player.name, player.rounds) for player in model.players]
        [('layer-1', (0, 100)), ('layer-2', (100, 200)), ('layer-3', (200, 300)), ('fine-tuning', (300, None))]
    """

    encoder: Perceptron
    decoder: Perceptron

    def __init__(
        self,
        event: Event,
        latent: int | None = None,
        loss: str | type[Law] = "squared",
        corruption: str | Corruption = "none",
        amount: float = 0.3,
        pretraining: int = 200,
        hidden: int = 400,
        layers: int = 2,
        activation: str = "relu",
        classes: int = 0,
    ) -> None:
        if pretraining < 0:
            raise ConfigurationError(f"pretraining={pretraining}: expected rounds for each layer, or 0 for none")
        sizes = Sizes(hidden, 1, classes, layers, activation)
        super().__init__(event, latent, loss, "mlp", "mlp", corruption, amount, sizes)
        self.pretraining = pretraining
        self.depth = layers + 1
        self.hidden_corruption = resolve_corruption(corruption, amount, Event((hidden,)))

    @property
    def players(self) -> tuple[Player, ...]:
        """One player a layer, in turn, if there is pretraining; then one that owns them all."""
        alone, after = self.pretraining, self.depth * self.pretraining
        layers = [
            Player(
                f"layer-{k + 1}",
                [self.upward(k), self.downward(k)],
                partial(self.layer_objective, k),
                optimizer=ADAM,
                rounds=(k * alone, (k + 1) * alone),
            )
            for k in range(self.depth if alone else 0)
        ]
        whole = Player(
            "fine-tuning", [self.encoder, self.decoder], self.objective, optimizer=ADAM, rounds=(after, None)
        )
        return (*layers, whole)

    def upward(self, k: int) -> nn.Sequential:
        """Return layer k of the encoder, counted from the example: a linear map, and its activation if it is hidden."""
        return nn.Sequential(*list(self.encoder.layers)[2 * k : 2 * k + 2])

    def downward(self, k: int) -> nn.Sequential:
        """Return the layer of the decoder that undoes layer k."""
        return nn.Sequential(*list(self.decoder.layers)[2 * (self.depth - 1 - k) : 2 * (self.depth - k)])

    def layer_objective(self, k: int, batch: Batch, noise: Noise) -> Terms:
        """Return the error of layer k in reconstructing its own input; the layers below are as they are."""
        if k == 0:
            x = batch.x if self.corruption is None else corrupted(batch.x, self.event, self.corruption, noise)
            back = self.downward(k)(self.above(k, self.first(x, batch.label), batch.label))
            features = back.view(len(x), *self.decoder.shape)
            return {self.output.term: self.output.loss(features, batch.x)}
        with torch.no_grad():
            clean = self.encoder.layers[: 2 * k](self.first(batch.x, batch.label))
        seen = clean if self.hidden_corruption is None else self.hidden_corruption(clean, noise)
        back = self.downward(k)(self.above(k, seen, batch.label))
        return {"squared_error": (back - clean).float().square().sum(1)}

    def first(self, x: Tensor, label: Tensor | None) -> Tensor:
        """Return what the lowest layer takes: scaled examples in a row, and their labels."""
        return with_label(self.event.scaled(x).flatten(1), label, self.classes)

    def above(self, k: int, below: Tensor, label: Tensor | None) -> Tensor:
        """Return what layer k makes of its input, with the labels if the decoder begins there."""
        made: Tensor = self.upward(k)(below)
        return with_label(made, label, self.classes) if k == self.depth - 1 else made
