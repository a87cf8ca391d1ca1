"""The one loop that trains every model: for each player's turn, freeze the others, sum the terms, step."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from triptych.catalogue import name_of
from triptych.data.batches import Batch, Batches
from triptych.data.examples import Examples
from triptych.errors import Interrupted, NonFiniteError
from triptych.models.base import Model
from triptych.models.questions import Bounded
from triptych.noise import Noise, mix
from triptych.running import interruption, progress, threads
from triptych.running.interruption import Left, Stop
from triptych.training import rundir
from triptych.training.blame import Before
from triptych.training.checkpoint import checkpoint_path
from triptych.training.clock import Clock
from triptych.training.config import TrainingConfig
from triptych.training.diagnosis import NON_FINITE, diagnosed
from triptych.training.logging import Metrics
from triptych.training.outcome import Run, never_played
from triptych.training.pace import Forecast, Marks
from triptych.training.pauses import Pauses
from triptych.training.rescue import SLOW, Rescue
from triptych.training.seat import Seat, give_turn, non_finite
from triptych.training.setup import configuration, launch
from triptych.training.state import Snapshot, State
from triptych.training.throughput import Threads, stored
from triptych.training.window import Turn, Window

NOISE, LAYERS = 1, 2
"""What a seed is mixed with for each use of it, so that no two uses share a stream."""

Move = Callable[[Seat, Batch, Noise], None]
"""Lets one player move once."""


class Training:
    """One call of `fit`: the parts that the loop needs, and the loop."""

    def __init__(
        self, model: Model, train: Examples, valid: Examples | None, config: TrainingConfig, labelled: Examples
    ) -> None:
        self.model, self.train, self.config = model, train, config
        self.validated = (model, valid) if isinstance(model, Bounded) and valid is not None else None
        self.fabric = launch(config.hardware)
        self.rank, self.world = self.fabric.global_rank, self.fabric.world_size
        self.batches = Batches(
            train, config.batch_size, seed=config.seed, rank=self.rank, world=self.world, device=self.fabric.device
        )
        self.fabric.to_device(model)
        if config.hardware.channels_last:
            model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.seats = [Seat(player, config.optimizer.lr, config.optimizer.clip) for player in model.players]
        self.turns = self.seats[0].player.turns
        self.budget = config.budget.resolved(self.batches.per_epoch, self.turns)
        self.state = State(model, self.seats, config.optimizer.ema)
        self.path = None if config.output.run is None else Path(config.output.run)
        self.writes = self.path is not None and self.rank == 0
        self.rescue = Rescue(self.path, self.state) if self.writes and self.path else None
        self.stop = Stop()
        self.step, self.clock = 0, Clock(self.fabric, self.stop, config.output.log_every)
        self.pauses = Pauses(self, labelled)
        self.last_turn: Before | None = None

    def run(self) -> Run:
        """Keep the run directory to this process, and train."""
        shown = self.config.output.progress and self.rank == 0
        locked = rundir.locked(self.path) if self.writes and self.path else nullcontext()
        with locked, progress.shown(shown), progress.unheard(), progress.task(name_of(self.model), 1.0) as self.task:
            return self.train_in_place()

    def train_in_place(self) -> Run:
        """Claim the run directory, take up what is there, play until the budget is used up, and save."""
        output, hardware, path = self.config.output, self.config.hardware, self.path
        kept = stored(path) if output.resume else ""
        if path is not None and self.rank == 0:
            asked = self.configuration(kept or hardware.threads)
            rundir.claim(path, asked, resume=output.resume, overwrite=output.overwrite)
        self.fabric.barrier()
        snapshot, notes = (None, []) if path is None or not output.resume else self.state.restore(path)
        if snapshot is not None:
            self.step, self.pauses.owed = snapshot.step, list(snapshot.record.get("owed", ()))
        if path is not None and output.resume and not self.step:
            notes = [f"nothing to resume in {path}: starting anew"]
        reported = self.step - ("report" in self.pauses.owed)
        self.metrics = Metrics(path if self.writes else None, reported, output.tensorboard and self.writes)
        self.clock.begin(snapshot.seconds if snapshot else 0.0)
        self.window = Window(self.seats, self.step, self.clock.seconds)
        if snapshot is not None:
            self.window.take(snapshot.record["pending"])
            if self.rescue is not None and path is not None and self.step:
                self.rescue.saved, self.rescue.saved_step = checkpoint_path(path, self.step), self.step
        self.marks = Marks(output, self.budget, self.step, self.clock.agreed)
        self.pauses.forecast = Forecast(self.budget, self.marks, self.step, self.clock.seconds)
        fixed = hardware.compile or not self.reads_each_turn
        self.threads = Threads(hardware.threads, kept, self.step, world=self.world, fixed=fixed)
        self.task.note = self.pauses.described
        self.task.left = lambda: self.pauses.forecast.left(self.step, self.clock.agreed)
        for note in notes:
            progress.say(note)
        try:
            with self.stop.listening(), interruption.at_deadline(self.rescue) if self.rescue else nullcontext():
                self.train_model()
        finally:
            self.metrics.close()
            self.state.settle()
        for note in (idle := never_played(self.seats, self.step)):
            progress.say(note)
        self.fabric.barrier()
        notes += [*idle, *map(str, diagnosed(self.metrics.records))]
        return Run(self.step, self.clock.seconds, self.metrics.records, self.path, self.rank, notes)

    def train_model(self) -> None:
        """Play, in training mode; leave the model ready to be asked, and torch's random state as it was."""
        cuda = self.fabric.device.type == "cuda"
        self.model.train()
        try:
            with torch.random.fork_rng(devices=[self.fabric.device] if cuda else []), threads.using(threads.now()):
                self.rehearse()
                if self.config.hardware.compile:
                    for seat in self.seats:
                        for module in seat.player.modules:
                            module.compile()
                self.rounds()
        finally:
            for seat in self.seats:
                give_turn([seat], seat)
            self.model.eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        self.save()
        if self.pauses.owed or not self.finished():
            where = f"; saved in {self.path}: go on with --resume" if self.path else ""
            raise Interrupted(f"stopped after step {self.step:,}{where}")

    def rehearse(self) -> None:
        """Choose the number of threads by timing rounds, if that is to be done; leave the training as it was."""
        if self.threads.schedule is None and not self.finished():
            kept = self.state.snapshot(self.step, self.clock.seconds, []).copied()
            batches, generator = self.batches.since(self.step * self.turns), torch.Generator(self.fabric.device)
            rounds = None if self.budget.steps is None else self.budget.steps - self.step
            seconds = None if self.budget.seconds is None else self.budget.seconds - self.clock.seconds
            try:
                with self.stop.leaving(), progress.task("choosing the number of threads"):
                    self.threads.choose(lambda: self.play(batches, generator, self.move), rounds, seconds)
            except Left:
                self.clock.stopping = True
            self.state.take(kept)
        if self.clock.stopping:
            return
        self.threads.begin(self.step)
        self.keep_threads()

    def keep_threads(self) -> None:
        """Write the numbers of threads into the run's configuration."""
        if self.path is not None and self.writes:
            rundir.write_config(self.path / "config.yaml", self.configuration(str(self.threads)))

    def configuration(self, numbers: str | int) -> dict[str, Any]:
        """Return the run's configuration, with the numbers of threads that it keeps."""
        return configuration(self.model, self.train, self.validated, self.config, numbers)

    def rounds(self) -> None:
        """Play round after round. This is the loop."""
        if self.step == 0:
            self.save()
        generator = torch.Generator(self.fabric.device)
        batches = self.batches.since(self.step * self.turns)
        took = 0.0
        self.pauses.catch_up()
        while not (self.clock.stopping or self.finished()):
            if took > SLOW:
                self.pauses.keep_state()
            started = time.perf_counter()
            self.play(batches, generator, self.turn)
            self.step += 1
            if self.state.average is not None:
                self.state.average.update(self.step)
            reporting = self.step % self.config.output.log_every == 0
            if reporting:
                self.fetch()
            took = time.perf_counter() - started
            self.clock.tick(self.step, took)
            self.task.done = self.budget.fraction(self.step, self.clock.agreed)
            self.pauses.owed = self.marks.due(self.step, self.clock.agreed, reporting, self.validated is not None)
            if self.threads.saw(self.step, took):
                self.keep_threads()
            if told := self.threads.told():
                progress.say(f"{self.task.title}: {told}")
            self.pauses.catch_up()
        self.pauses.finish()

    def play(self, batches: Iterator[Batch], generator: torch.Generator, move: Move) -> None:
        """Give each player of this round its turns."""
        noise, factor = self.noise(generator), self.learning_rate_factor()
        playing = [seat for seat in self.seats if seat.player.plays(self.step)]
        for seat in playing:
            seat.schedule(factor)
            for _ in range(seat.player.turns):
                if seat is playing[0]:
                    batch = next(batches)
                move(seat, batch, noise)

    def turn(self, seat: Seat, batch: Batch, noise: Noise) -> None:
        """Let one player move once, and take in its figures."""
        self.last_turn = Before(seat.player, batch, noise) if self.reads_each_turn else None
        self.move(seat, batch, noise, self.taken)

    def move(self, seat: Seat, batch: Batch, noise: Noise, taken: Callable[[Turn], None] = lambda turn: None) -> None:
        """Let one player move once.

        Args:
            seat: the player's.
            batch: what the turn is about.
            noise: of the round.
            taken: takes the turn's figures, before the step is taken.
        """
        if len(self.seats) > 1:
            give_turn(self.seats, seat)
        means, norm = seat.gradient(self.fabric, batch, noise)
        taken(Turn(self.step + 1, seat, list(means), torch.stack([*means.values(), norm])))
        seat.optimizer.step()
        if seat.player.after is not None:
            seat.player.after()

    def taken(self, turn: Turn) -> None:
        """Take in a turn's figures."""
        self.window.turns.append(turn)
        if self.reads_each_turn:
            self.check(turn)

    @property
    def reads_each_turn(self) -> bool:
        """Whether figures are read at once, before a bad step is taken: on a CPU that costs nothing."""
        return bool(self.fabric.device.type == "cpu")

    def noise(self, generator: torch.Generator) -> Noise:
        """Return the randomness of this round, and set torch's own, for layers that draw from it."""
        own = mix(self.config.seed, LAYERS, self.step, self.rank)
        torch.default_generator.manual_seed(own)
        if self.fabric.device.type == "cuda":
            torch.cuda.manual_seed(own)
        return Noise(generator.manual_seed(mix(self.config.seed, NOISE, self.step)), self.rank, self.world)

    def learning_rate_factor(self) -> float:
        """Return the factor on the learning rates in this round."""
        fraction = self.budget.fraction(self.step, self.clock.agreed)
        return self.config.optimizer.factor(self.step, fraction)

    def finished(self) -> bool:
        """Return whether the budget is used up."""
        return self.budget.over(self.step, self.clock.agreed)

    def check(self, turn: Turn) -> None:
        """Stop if a figure of a turn is not finite."""
        *means, norm = turn.figures.tolist()
        wrong = non_finite(dict(zip(turn.names, means, strict=True)), norm)
        if wrong:
            what, value = wrong
            name = turn.seat.player.name
            where = self.last_turn.fault(self.model) if self.last_turn and self.world == 1 else ""
            key = f"{NON_FINITE}{name}/{what}/{where}"
            record = {"step": turn.step, "seconds": round(self.clock.seconds, 4), "images_per_s": 0.0, key: turn.step}
            self.metrics.append(record)
            where = f" ({where})" if where else ""
            saved = self.rescue.saved if self.rescue else None
            last = f"the last good checkpoint is {saved}" if saved else "there is no checkpoint yet"
            raise NonFiniteError(
                f"{name}'s {what} became {value} at step {turn.step:,}{where}; {last}; try a lower --lr, or --clip 1"
            )

    def fetch(self) -> None:
        """Bring the pending figures from the device and check them, as `turn` does where that is free."""
        if not self.reads_each_turn:
            self.window.fetch(self.check)

    def snapshot(self) -> Snapshot:
        """Return the training as it is at the end of a round."""
        return self.state.snapshot(self.step, self.clock.seconds, self.window.plain(), self.pauses.owed)

    def save(self) -> None:
        """Write a checkpoint, and the model as it is now; never one of figures that are not finite."""
        self.fetch()
        if self.rescue is not None:
            self.rescue.write(self.snapshot())
