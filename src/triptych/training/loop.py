"""The one loop that trains every model: for each player's turn, freeze the others, sum the terms, step."""

from __future__ import annotations

import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import torch
from torch import Tensor

from triptych.catalogue import name_of
from triptych.data.batches import Batch, Batches
from triptych.data.examples import Examples
from triptych.errors import Interrupted, NonFiniteError
from triptych.models.base import Model
from triptych.models.questions import Bounded
from triptych.noise import Noise, mix
from triptych.training import rundir
from triptych.training.blame import Before
from triptych.training.budget import Budget, learning_rate_factor
from triptych.training.checkpoint import checkpoint_path
from triptych.training.diagnosis import NON_FINITE, Doctor, diagnosed
from triptych.training.gallery import TILES, Gallery
from triptych.training.logging import Metrics, Progress, Record
from triptych.training.outcome import Run, never_played
from triptych.training.pace import Marks, StopRequest, Window
from triptych.training.seat import Seat, give_turn, non_finite
from triptych.training.setup import configuration, launch
from triptych.training.state import State

AGREE_EVERY = 10
"""Rounds after which several processes agree on the time, and on whether to stop."""
NOISE, LAYERS = 1, 2
"""What a seed is mixed with for each use of it, so that no two uses share a stream."""


class Training:
    """One call of `fit`: the parts that the loop needs, and the loop."""

    def __init__(
        self, model: Model, train: Examples, valid: Examples | None, options: SimpleNamespace, labelled: Examples
    ) -> None:
        self.model, self.train, self.options = model, train, options
        self.validated = (model, valid) if isinstance(model, Bounded) and valid is not None else None
        self.fabric = launch(options)
        self.rank, self.world = self.fabric.global_rank, self.fabric.world_size
        self.batches = Batches(
            train, options.batch_size, seed=options.seed, rank=self.rank, world=self.world, device=self.fabric.device
        )
        self.fabric.to_device(model)
        if options.channels_last:
            model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.seats = [Seat(player, options.lr, options.clip) for player in model.players]
        self.turns = self.seats[0].player.turns
        per_epoch = self.batches.per_epoch
        self.budget = Budget.of(options.steps, options.epochs, options.minutes, per_epoch, self.turns)
        self.doctor = Doctor(model, labelled, self.budget, options.batch_size)
        self.state = State(model, self.seats, options.ema)
        self.path = None if options.run is None else Path(options.run)
        self.writes = self.path is not None and self.rank == 0
        self.gallery = Gallery(model, train, self.path / "samples", options.seed) if self.writes and self.path else None
        self.stop = StopRequest()
        self.step, self.seconds, self.stopping = 0, 0.0, False
        self.saved: Path | None = None
        self.validation: Record = {}
        self.pending: list[tuple[int, Seat, list[str], Tensor]] = []
        self.last_turn: Before | None = None

    def run(self) -> Run:
        """Keep the run directory to this process, and train."""
        with rundir.locked(self.path) if self.writes and self.path else nullcontext():
            return self.train_in_place()

    def train_in_place(self) -> Run:
        """Claim the run directory, take up what is there, play until the budget is used up, and save."""
        options = self.options
        seconds, notes = 0.0, list[str]()
        if self.path is not None and self.rank == 0:
            config = configuration(self.model, self.train, self.validated, options)
            rundir.claim(self.path, config, resume=options.resume, overwrite=options.overwrite)
        self.fabric.barrier()
        if self.path is not None and options.resume:
            self.step, seconds, pending, notes = self.state.restore(self.path)
            self.saved = checkpoint_path(self.path, self.step) if self.step else None
            notes = notes if self.step else [f"nothing to resume in {self.path}: starting anew"]
            self.pending = [(step, self.seats[i], names, torch.tensor(f)) for step, i, names, f in pending]
        self.metrics = Metrics(self.path if self.writes else None, self.step, options.tensorboard and self.writes)
        self.seconds = self.clock = float(self.fabric.broadcast(seconds))
        shown = options.progress and self.rank == 0
        with self.stop.listening(), Progress(name_of(self.model), shown) as self.progress:
            for note in notes:
                self.progress.say(note)
            try:
                self.train_model()
            finally:
                self.metrics.close()
                self.state.settle()
            for note in (idle := never_played(self.seats, self.step)):
                self.progress.say(note)
        notes = [*notes, *idle]
        self.fabric.barrier()
        notes += map(str, diagnosed(self.metrics.records))
        return Run(self.step, self.seconds, self.metrics.records, self.path, self.rank, notes)

    def train_model(self) -> None:
        """Play, in training mode; leave the model ready to be asked, and torch's random state as it was."""
        cuda = self.fabric.device.type == "cuda"
        if self.options.compile:
            for seat in self.seats:
                for module in seat.player.modules:
                    module.compile()
        self.model.train()
        try:
            with torch.random.fork_rng(devices=[self.fabric.device] if cuda else []):
                self.rounds()
        finally:
            for seat in self.seats:
                give_turn([seat], seat)
            self.model.eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        self.save()
        if not self.finished():
            where = f"; saved in {self.path}: go on with --resume" if self.path else ""
            raise Interrupted(f"stopped after step {self.step:,}{where}")

    def rounds(self) -> None:
        """Play round after round. This is the loop."""
        if self.step == 0:
            self.save()
        generator = torch.Generator(self.fabric.device)
        batches = self.batches.since(self.step * self.turns)
        marks = Marks(self.options, self.budget, self.step, self.clock)
        window = Window(self.step, self.seconds)
        while not (self.stopping or self.finished()):
            started = time.perf_counter()
            noise = self.noise(generator)
            factor = self.learning_rate_factor()
            playing = [seat for seat in self.seats if seat.player.plays(self.step)]
            for seat in playing:
                seat.schedule(factor)
                for _ in range(seat.player.turns):
                    if seat is playing[0]:
                        batch = next(batches)
                    self.turn(seat, batch, noise)
            self.step += 1
            if self.state.average is not None:
                self.state.average.update(self.step)
            reporting = self.step % self.options.log_every == 0
            if reporting:
                self.fetch()
            self.tick(time.perf_counter() - started)
            if self.validated and marks.validation_due(self.step, self.clock):
                self.fetch()
                self.validate()
                reporting = True
            if reporting:
                self.report(window)
            if marks.sample_due(self.step, self.clock):
                self.picture()
            if marks.checkpoint_due(self.step):
                self.save()
        self.fetch()
        if self.pending and self.finished():  # an interrupted window is finished when the run goes on
            self.validate()
            self.report(window)

    def turn(self, seat: Seat, batch: Batch, noise: Noise) -> None:
        """Let one player move once."""
        if len(self.seats) > 1:
            give_turn(self.seats, seat)
        self.last_turn = Before(seat.player, batch, noise) if self.reads_each_turn else None
        means, norm = seat.gradient(self.fabric, batch, noise)
        self.pending.append((self.step + 1, seat, list(means), torch.stack([*means.values(), norm])))
        if self.reads_each_turn:
            self.check(*self.pending[-1])
        seat.optimizer.step()
        if seat.player.after is not None:
            seat.player.after()

    @property
    def reads_each_turn(self) -> bool:
        """Whether figures are read at once, before a bad step is taken: on a CPU that costs nothing."""
        return bool(self.fabric.device.type == "cpu")

    def noise(self, generator: torch.Generator) -> Noise:
        """Return the randomness of this round, and set torch's own, for layers that draw from it."""
        own = mix(self.options.seed, LAYERS, self.step, self.rank)
        torch.default_generator.manual_seed(own)
        if self.fabric.device.type == "cuda":
            torch.cuda.manual_seed(own)
        return Noise(generator.manual_seed(mix(self.options.seed, NOISE, self.step)), self.rank, self.world)

    def learning_rate_factor(self) -> float:
        """Return the factor on the learning rates in this round."""
        fraction = self.budget.fraction(self.step, self.clock)
        return learning_rate_factor(self.options.schedule, self.options.warmup, self.step, fraction)

    def tick(self, seconds: float) -> None:
        """Count training time. Several processes go by the first one's clock, and stop if one was asked to.

        They learn of both only every few rounds, all at the same step: whatever follows from the time
        (learning rate, validation, the end) must happen in the same round everywhere.
        """
        self.seconds += seconds
        if self.world == 1:
            self.clock, self.stopping = self.seconds, self.stop.asked
        elif self.step % min(AGREE_EVERY, self.options.log_every) == 0:
            mine = [float(self.stop.asked), self.seconds if self.rank == 0 else 0.0]
            told = self.fabric.all_reduce(torch.tensor(mine, device=self.fabric.device), reduce_op="sum")
            assert isinstance(told, Tensor)
            asked, self.clock = told.tolist()
            self.seconds, self.stopping = self.clock, asked > 0

    def finished(self) -> bool:
        """Return whether the budget is used up."""
        return self.budget.over(self.step, self.clock)

    def check(self, step: int, seat: Seat, names: list[str], figures: Tensor) -> None:
        """Stop if a figure of a turn is not finite."""
        *means, norm = figures.tolist()
        wrong = non_finite(dict(zip(names, means, strict=True)), norm)
        if wrong:
            what, value = wrong
            where = self.last_turn.fault(self.model) if self.last_turn and self.world == 1 else ""
            key = f"{NON_FINITE}{seat.player.name}/{what}/{where}"
            self.metrics.append({"step": step, "seconds": round(self.seconds, 4), "images_per_s": 0.0, key: step})
            where = f" ({where})" if where else ""
            last = f"the last good checkpoint is {self.saved}" if self.saved else "there is no checkpoint yet"
            raise NonFiniteError(
                f"{seat.player.name}'s {what} became {value} at step {step:,}{where}; {last}; "
                "try a lower --lr, or --clip 1"
            )

    def fetch(self) -> None:
        """Bring the pending figures from the device and check them, as `turn` does where that is free."""
        if not self.reads_each_turn:
            self.pending = [(step, seat, names, figures.cpu()) for step, seat, names, figures in self.pending]
            for figures in self.pending:
                self.check(*figures)

    def report(self, window: Window) -> None:
        """Write the means of the figures since the last report."""
        record: Record = {
            "step": self.step,
            **window.speed(self.step, self.seconds, self.options.batch_size * self.turns),
        }
        losses: dict[str, float] = {}
        for seat in self.seats:
            own = [(names, figures) for _, player, names, figures in self.pending if player is seat]
            if not own:
                continue
            figures = torch.stack([figures for _, figures in own]).double().mean(0)
            if self.world > 1:
                figures = self.fabric.all_reduce(figures, reduce_op="mean")  # type: ignore[assignment]
            *means, norm = figures.tolist()
            for name, mean in zip(own[0][0], means, strict=True):
                record[f"{seat.player.name}/{name}"] = mean
            if seat.player.figures is not None:
                told = seat.player.figures(dict(zip(own[0][0], means, strict=True)))
                record |= {f"{seat.player.name}/{name}": value for name, value in told.items()}
            record[f"{seat.player.name}/gradient_norm"] = norm
            losses[seat.player.name] = sum(means)
        record |= self.validation
        self.validation = {}
        self.pending.clear()
        wrong = ""
        if self.rank == 0:
            averaged = self.state.averaged if self.state.average is not None else None
            wrong = self.doctor.see(record, self.metrics.records, averaged, self.progress.say)
        self.metrics.append(record)
        self.progress.update(record, self.budget.fraction(self.step, self.clock), losses, wrong)

    def validate(self) -> None:
        """Measure log p(x), or its bound, on held-out examples, and keep the weights if they are the best."""
        if self.validated is not None:
            model, valid = self.validated
            with self.state.averaged():
                nats = float(model.log_prob_bounds(valid, seed=self.options.seed).lower.mean())
                self.state.consider(nats)
            self.validation = {"held-out/nll": -nats}

    def picture(self) -> None:
        """Show the model as it is. Ctrl-C need not wait for it; what comes by itself must not cost much."""
        if self.gallery is None or not self.gallery.can_show or self.stop.asked:
            return
        with self.stop.at_once(), self.state.averaged():
            count = TILES if self.options.sample_every is not None else self.gallery.affordable(self.seconds)
            if count:
                self.gallery.add(self.step, count)

    def save(self) -> None:
        """Write a checkpoint, and the model as it is now; never one of figures that are not finite."""
        self.fetch()
        if self.path is not None and self.writes:
            pending = [(step, self.seats.index(seat), n, f.tolist()) for step, seat, n, f in self.pending]
            self.saved = self.state.save(self.path, self.step, self.seconds, pending)
