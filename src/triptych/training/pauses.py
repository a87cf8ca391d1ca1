"""What a training does between its rounds: it validates, reports, draws pictures and saves."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from triptych.data.examples import Examples
from triptych.running import interruption, progress
from triptych.running.interruption import Left
from triptych.training.diagnosis import Doctor
from triptych.training.gallery import TILES, Gallery
from triptych.training.logging import Record
from triptych.training.pace import Forecast

if TYPE_CHECKING:
    from triptych.training.loop import Training


class Pauses:
    """The pauses of one training. A pause that the user cuts short is owed, and the resumed run begins with it.

    Args:
        training: between whose rounds they are.
        labelled: its examples, with labels if they have any.
    """

    forecast: Forecast

    def __init__(self, training: Training, labelled: Examples) -> None:
        self.training = training
        config, path = training.config, training.path
        self.doctor = Doctor(training.model, labelled, training.budget, config.batch_size)
        shows = training.writes and path is not None
        self.gallery = (
            Gallery(training.model, training.train, path / "samples", config.seed) if shows and path else None
        )
        self.owed: list[str] = []
        self.validation: Record = {}
        self.losses: dict[str, float] = {}
        self.speed, self.wrong = 0.0, ""

    def catch_up(self) -> None:
        """Do what is due after a round, until the user asks to stop."""
        if not self.owed:
            return
        training = self.training
        does = {
            "validation": self.validate,
            "report": self.report,
            "picture": self.picture,
            "checkpoint": training.save,
        }
        if not training.clock.stopping and {"validation", "picture"} & set(self.owed):
            self.keep_state()
        while self.owed and not training.clock.stopping:
            kind = self.owed.pop(0)
            try:
                with self.forecast.pause(kind):
                    does[kind]()
            except Left:
                if training.world == 1:
                    training.clock.stopping = True
                    self.owed.insert(0, kind)
        if self.validation and training.clock.stopping:
            self.owed.insert(0, "validation")

    def finish(self) -> None:
        """Report the last window, if the budget is used up; an interrupted window is finished when the run goes on."""
        training = self.training
        if not self.owed and training.window.turns and training.finished():
            self.owed = ["validation"] * (training.validated is not None) + ["report"]
            self.catch_up()

    def leaving(self) -> AbstractContextManager[None]:
        """Return a context whose work is left when the user asks to stop; several processes stop together, later."""
        training = self.training
        return training.stop.leaving() if training.world == 1 else nullcontext()

    def described(self) -> str:
        """Return what the progress line says of the training as it is now."""
        training = self.training
        images = training.config.batch_size * training.turns
        speed = training.window.speed(training.step, training.clock.seconds, images)["images_per_s"] or self.speed
        told = [f"{player} {loss:.4g}" for player, loss in self.losses.items()]
        parts = [f"step {training.step:,}", f"{speed:,.0f} images/s" if speed else "", *told]
        return "  ".join(filter(None, [*parts, f"! {self.wrong}" if self.wrong else ""]))

    def report(self) -> None:
        """Write the means of the figures since the last report."""
        training = self.training
        training.fetch()
        means, losses = training.window.means(training.fabric)
        images = training.config.batch_size * training.turns
        record = training.window.speed(training.step, training.clock.seconds, images)
        record |= means | self.validation
        if training.rank == 0:
            averaged = training.state.averaged if training.state.average is not None else None
            with nullcontext() if averaged else self.leaving():  # never while weights are exchanged
                self.wrong = self.doctor.see(record, training.metrics.records, averaged, progress.say)
        training.metrics.append(record)
        self.validation, self.losses, self.speed = {}, losses, record["images_per_s"]
        training.window.close(training.step, training.clock.seconds)
        if "picture" in self.owed:
            self.keep_state()  # else a picture that never ends would owe the report again

    def validate(self) -> None:
        """Measure log p(x), or its bound, on held-out examples, and keep the weights if they are the best."""
        training = self.training
        if training.validated is not None:
            training.fetch()
            model, valid = training.validated
            with progress.task("validating"), training.state.averaged():
                with self.leaving():  # never while weights are exchanged
                    nats = float(model.log_prob_bounds(valid, seed=training.config.seed).lower.mean())
                training.state.consider(nats)
            self.validation = {"held-out/nll": -nats}

    def picture(self) -> None:
        """Show the model as it is. What comes by itself must not cost much."""
        training = self.training
        if self.gallery is not None and self.gallery.can_show:
            with progress.task("drawing a picture"), training.state.averaged(), self.leaving():
                asked = training.config.output.sample_every is not None
                count = TILES if asked else self.gallery.affordable(training.clock.seconds)
                if count:
                    self.gallery.add(training.step, count)

    def keep_state(self) -> None:
        """Keep the state as it is, to be saved if the process must end before the round or the pause does."""
        training = self.training
        if training.rescue is not None and interruption.guards():
            training.rescue.keep(training.snapshot())
