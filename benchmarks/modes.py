"""Modes covered by every loss, with and without each trick: `make bench-modes`, in less than a quarter of an hour.

Small networks are trained for a short time on a ring of 8 and on a grid of 25 Gaussians (standard deviations 0.01 and
0.05), each with 5 seeds; then 2,500 samples are drawn. A sample is good within 3 standard deviations of a mode, and a
mode is covered if a good sample lies in it (Srivastava et al. 2017, §4.1; Lin et al. 2018, §4.1). Every loss is played
as it is, and a few of them in all `ways`; `--whole` crosses all losses with all ways, which takes most of an hour. The
Wasserstein loss, which is none without a bound on the critic's slope, always has a gradient penalty. Beside them are
longer runs of chosen configurations, each a command. Two processes of one thread each.

    python benchmarks/modes.py --docs docs/adversarial.md

Run again it goes on where it stopped; `--fresh` measures everything anew.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import torch
from frame import hardware
from modes_shown import draw_heat_map, draw_samples, table
from panel import write_between

import triptych as tp
from triptych.adversary.tricks import TRICKS
from triptych.errors import NonFiniteError, UserError
from triptych.metrics.modes import modes_covered
from triptych.objectives.adversarial import LOSSES
from triptych.objectives.penalties import PENALTIES

RESULTS = Path(__file__).parent / "results" / "modes.json"
IMAGES = Path(__file__).parents[1] / "docs" / "images"
DATA, SEEDS, SAMPLES = ("ring", "grid"), range(5), 2500
CROSSED = ("non-saturating",)
"""The losses that are played in every way by default; `--whole` takes all."""
SMALL: dict[str, Any] = {"latent": 2, "hidden": 64, "layers": 2}
SHORT: dict[str, Any] = {"steps": 1000, "batch_size": 128, "lr": 1e-3, "schedule": "cosine"}


@dataclass(frozen=True)
class Chosen:
    """A configuration that was found by hand: a name of the catalogue, arguments of the model and of `fit`."""

    name: str
    model: dict[str, Any]
    fit: dict[str, Any]
    counts: str = ""
    """The argument that is told the number of modes, "classes" or "categorical", if any is."""

    def on(self, data: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
        """Return what it is on some data."""
        modes = len(tp.data.toy_modes(data)[0])
        told = {"": {}, "classes": {"classes": modes}, "categorical": {"categorical": str(modes)}}[self.counts]
        return self.name, {**self.model, **told}, self.fit


_CALM: dict[str, Any] = {"beta1": 0.0, "beta2": 0.99, "critic_norm": "none"}
_SHARP: dict[str, Any] = {"steps": 2500, "batch_size": 128, "lr": 1e-3, "schedule": "cosine", "ema": 0.99}
_READABLE: dict[str, Any] = {**SMALL, **_CALM, "hidden": 128, "continuous": 0, "information": 0.3, "critic_rate": 1.0}
_READABLE["tricks"] = "instance-noise:std=0.5,steps=1500"
_LONGER: dict[str, Any] = {**_SHARP, "steps": 3000}
CHOSEN: dict[str, Chosen] = {
    "infogan": Chosen(
        "infogan",
        {**_READABLE, "tricks": "instance-noise:std=0.5,steps=2500"},
        {**_SHARP, "steps": 5000},
        counts="categorical",
    ),
    "infogan, least squares": Chosen("infogan", {**_READABLE, "loss": "least-squares"}, _LONGER, counts="categorical"),
    "conditional-gan": Chosen(
        "conditional-gan", {**SMALL, **_CALM, "generator_labels": "concatenation"}, _SHARP, counts="classes"
    ),
    "projection-gan": Chosen(
        "projection-gan", {**SMALL, **_CALM, "generator_labels": "concatenation"}, _SHARP, counts="classes"
    ),
}
"""Found by hand to go far: InfoGAN is told the number of modes, the other two are given them as labels."""
BASES: dict[str, dict[str, Any]] = {"wasserstein": {"penalty": "gradient:weight=1"}}
"""What a loss cannot be without."""
OPTIONS = {"instance-noise": f"steps={SHORT['steps']}", "minibatch-discrimination": "kernels=8", "gradient": "weight=1"}
"""Options of tricks and penalties that fit two dimensions; others are as they are by default."""
PLAIN = "as it is"


@dataclass(frozen=True)
class Job:
    """One training: of which row, on which data, with which seed."""

    loss: str
    way: str
    data: str
    seed: int

    @property
    def key(self) -> str:
        """Its name in the stored results."""
        return "|".join(map(str, asdict(self).values()))

    @property
    def settings(self) -> tuple[str, dict[str, Any], dict[str, Any]]:
        """The name of the model, its arguments, and those of `fit`."""
        if self.way in CHOSEN:
            return CHOSEN[self.way].on(self.data)
        model, fit = ways(self.loss)[self.way]
        return "gan", {**SMALL, "loss": self.loss, **BASES.get(self.loss, {}), **model}, {**SHORT, **fit}

    @property
    def command(self) -> str:
        """What a user types to train it."""
        name, model, fit = self.settings
        options = [f"--{option.replace('_', '-')} {value}" for option, value in {**model, **fit}.items()]
        return " ".join([f"triptych train {name} --data {self.data}", *options, f"--seed {self.seed}"])


def ways(loss: str) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Return every way to play a loss: what it changes of the model's arguments, and of those of `fit`."""

    def spelled(name: str) -> str:
        return f"{name}:{OPTIONS[name]}" if name in OPTIONS else name

    found: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {PLAIN: ({}, {})}
    found |= {name: ({"tricks": spelled(name)}, {}) for name in sorted(TRICKS)}
    found |= {f"penalty {name}": ({"penalty": spelled(name)}, {}) for name in sorted(PENALTIES)}
    if "real_label" in inspect.signature(LOSSES[loss]).parameters:
        found["one-sided smoothing"] = ({"loss": f"{loss}:real_label=0.9"}, {})
    found["spectral normalisation"] = ({"critic_norm": "spectral"}, {})
    found["virtual batch normalisation"] = ({"generator_norm": "virtual"}, {})
    found["critic 4 times as fast"] = ({"critic_rate": 4.0}, {})
    found["average of the weights"] = ({}, {"ema": 0.99})
    return found


def jobs(whole: bool, seeds: int) -> Iterator[Job]:
    """Yield what is to be trained: the longest first, with all seeds, then seed by seed the short ones."""
    yield from (Job("", name, data, seed) for seed in SEEDS for data in DATA for name in CHOSEN)
    for seed in SEEDS[:seeds]:
        for data in DATA:
            for loss in LOSSES:
                crossed = whole or loss in CROSSED
                yield from (Job(loss, way, data, seed) for way in (ways(loss) if crossed else (PLAIN,)))


@cache
def examples(data: str) -> tp.Examples:
    """Return the training split, once a process."""
    torch.set_num_threads(1)
    return tp.data.load(data, progress=False)[0]


def played(job: Job, steps: int | None) -> dict[str, Any]:
    """Train, draw and count; a run that diverged has covered nothing, and what cannot be says why."""
    train, begun = examples(job.data), time.process_time()
    name, model_arguments, fit_arguments = job.settings
    fit_arguments = fit_arguments if steps is None else {**fit_arguments, "steps": steps}
    try:
        model = tp.build(name, train.event, seed=job.seed, **model_arguments)
        tp.fit(model, train, seed=job.seed, progress=False, **fit_arguments)
    except NonFiniteError as error:
        return {"covered": 0, "good": 0.0, "diverged": str(error), "seconds": time.process_time() - begun}
    except UserError as error:
        return {"refused": str(error)}
    drawn = model.sample(SAMPLES, seed=job.seed).data
    covered, of, good = modes_covered(drawn, *tp.data.toy_modes(job.data))
    row = {"covered": covered, "of": of, "good": good, "seconds": time.process_time() - begun}
    return row | ({"samples": drawn[:500].tolist()} if job.seed == 0 and _is_drawn(job) else {})


def _is_drawn(job: Job) -> bool:
    return job.way in CHOSEN or (job.way == PLAIN and job.loss in CROSSED)


def play(todo: Sequence[Job], found: dict[str, Any], store: Path | None, workers: int) -> None:
    """Play what is missing in processes of one thread each; what is finished is stored every few seconds.

    Without a place to store, 20 rounds each.
    """
    stored = time.monotonic()
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(played, job, None if store else 20): job for job in todo}
        for count, done in enumerate(as_completed(waiting), 1):
            found[waiting[done].key] = done.result()
            if store and (time.monotonic() - stored > 10 or count == len(todo)):
                store.write_text(json.dumps(found) + "\n")
                stored = time.monotonic()
                print(f"{count:,} of {len(todo):,}", flush=True)


def rows(found: Mapping[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return means and standard errors over the seeds, or why there are none: `loss|way` → data → figures."""
    told: dict[str, dict[str, dict[str, Any]]] = {}
    for key, row in found.items():
        loss, way, data, _ = key.split("|")
        told.setdefault(f"{loss}|{way}", {}).setdefault(data, {"runs": []})["runs"].append(row)
    for row in told.values():
        for data, cell in row.items():
            row[data] = _summary(cell["runs"])
    return told


def _summary(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    refused = [run["refused"] for run in runs if "refused" in run]
    if refused:
        return {"refused": refused[0]}
    summary: dict[str, Any] = {"seeds": len(runs), "diverged": sum("diverged" in run for run in runs)}
    for name in ("covered", "good"):
        values = torch.tensor([run[name] for run in runs], dtype=torch.float64)
        error = float(values.std() / len(values) ** 0.5) if len(values) > 1 else None
        summary |= {name: float(values.mean()), f"{name}_error": error, f"{name}_least": float(values.min())}
    return summary


def main() -> None:
    """Play, count, print, draw and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--whole", action="store_true", help="every loss in every way")
    parser.add_argument(
        "--chosen", action="store_true", help="the chosen configurations alone; stores single runs only"
    )
    parser.add_argument("--fresh", action="store_true", help="forget what was measured before")
    parser.add_argument("--quick", action="store_true", help="20 rounds, one seed: to see that it runs; stores nothing")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="of the short games")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--runs", type=Path, default=Path("runs/modes.json"), help="where single runs are kept")
    parser.add_argument("--docs", type=Path, help="also write the tables between the markers of this file")
    options = parser.parse_args()
    begun = time.monotonic()
    found: dict[str, Any] = {}
    planned = [job for job in jobs(options.whole, options.seeds) if job.way in CHOSEN or not options.chosen]
    if options.quick:
        planned = [job for job in planned if job.seed == 0]
    elif options.runs.exists() and not options.fresh:
        found = json.loads(options.runs.read_text())
    options.runs.parent.mkdir(parents=True, exist_ok=True)
    todo = [job for job in planned if job.key not in found]
    play(todo, found, None if options.quick else options.runs, options.workers)
    found = {job.key: found[job.key] for job in planned}
    told = rows(found)
    commands = {name: [Job("", name, data, 0).command for data in DATA] for name in CHOSEN}
    print(text := table(told, PLAIN, commands))
    if options.quick or options.chosen:
        return
    about = {"hardware": hardware(), "seconds": time.monotonic() - begun, "runs": len(todo), "samples": SAMPLES}
    about |= {"model": SMALL, "fit": SHORT, "commands": commands}
    RESULTS.write_text(json.dumps(about | {"rows": told}, indent=2, ensure_ascii=False) + "\n")
    draw_heat_map(told, PLAIN, IMAGES / "modes.png")
    draw_samples(found, DATA, IMAGES / "modes-samples.png")
    if options.docs is not None:
        write_between(options.docs, "modes", text)


if __name__ == "__main__":
    main()
