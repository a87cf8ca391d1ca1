"""What can go wrong with a game: one player wins, or stops; samples collapse, are copied, or go round in circles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean

from triptych.training.diagnosis.examination import (
    AUC,
    ENERGY,
    GOOD,
    KIND,
    KINDS,
    MODES,
    MODES_OF,
    NOVELTY,
    SLOPE,
    SPREAD,
    VARIETY,
)
from triptych.training.diagnosis.finding import DETECTORS, Finding, still
from triptych.training.logging import Record

EARLY, YOUNG = 500, 1000
"""Rounds that are too early to judge a game by; and to judge the variety of one that never had enough."""
RUN = 4
"""Examinations in a row, the last ones, of which something must hold."""
SURE, LOST = 0.99, 0.3
"""The critic's AUC from which on it wins, and down to which it is fooled."""
POOR = 0.25
"""Energy distance from which on samples have little to do with the data."""
FLAT = 0.01
"""Slope of the generator's loss below which it asks for nothing."""
VANISHED = 0.02
"""A gradient has vanished if its norm is this part of the largest of the run."""
MUTE = 1e-3
"""Spread of a critic's output below which it says the same of everything."""
FEW_KINDS, NARROW = 0.6, 0.5
"""Effective number of classes, and pairwise distance, as parts of the data's, below which samples have collapsed."""
COPIED = 0.4
"""Relative nearest distance to training data, as part of the data's own, below which samples are copies."""
STILL = 1e-4
"""Relative change of the energy distance between examinations below which the generator stands still."""
TURNING, FAR = 0.25, 0.1
"""Mean total variation between successive class histograms, and energy distance, from which on a game goes round."""
GENERATOR, CRITIC = "generator/gradient_norm", "critic/gradient_norm"


def _seen(records: Sequence[Record], *names: str) -> list[Record]:
    """Return the records of examinations, if the game has been played long enough to be judged."""
    seen = [r for r in records if all(name in r for name in names)]
    return seen if len(seen) >= RUN and seen[-1]["step"] >= EARLY else []


def _lasting(seen: Sequence[Record], holds: Callable[[Record], bool]) -> Sequence[Record]:
    """Return the last records of which something holds, none if they are too few."""
    last = still(seen, holds)
    return last if len(last) >= RUN else []


def _largest(records: Sequence[Record], key: str) -> float:
    return max((r[key] for r in records if key in r), default=0.0)


@DETECTORS.register("critic wins", AUC)
def critic_wins(records: Sequence[Record]) -> Finding | None:
    """Whether the critic tells real from made without a doubt, and the generator no longer learns from it."""
    largest = _largest(records, GENERATOR)

    def lost(r: Record) -> bool:
        vanished = r.get(GENERATOR, largest) < VANISHED * largest
        return r[AUC] > SURE and (vanished or r.get(ENERGY, 0.0) > POOR)

    last = _lasting(_seen(records, AUC), lost)
    if not last:
        return None
    end = last[-1]
    return Finding(
        f"its AUC is {end[AUC]:.3f}, samples lie {end[ENERGY]:.2f} from the data, the generator's gradient is "
        f"{end.get(GENERATOR, 0.0) / (largest or 1.0):.2g} of its largest",
        f"AUC above {SURE} while the distance is above {POOR} or the gradient below {VANISHED:g}",
        int(last[0]["step"]),
        "--critic-rate 0.25, --penalty r1:weight=1, --critic-norm spectral, or --tricks instance-noise",
    )


@DETECTORS.register("saturating loss", SLOPE)
def saturating_loss(records: Sequence[Record]) -> Finding | None:
    """Whether the generator's loss is flat where its samples are."""
    last = _lasting(_seen(records, SLOPE, AUC), lambda r: r[SLOPE] < FLAT and r[AUC] > 0.9)
    if not last:
        return None
    return Finding(
        f"the slope of the generator's loss at its samples is {last[-1][SLOPE]:.2g}",
        f"below {FLAT}",
        int(last[0]["step"]),
        "--loss non-saturating, --loss wasserstein --penalty gradient:weight=10, or --critic-rate 0.25",
    )


@DETECTORS.register("generator wins", AUC)
def generator_wins(records: Sequence[Record]) -> Finding | None:
    """Whether the critic takes samples for real that are far from the data."""
    last = _lasting(
        _seen(records, AUC, ENERGY),
        lambda r: r[AUC] < LOST or (r[AUC] < 0.6 and r[ENERGY] > POOR),
    )
    if not last:
        return None
    return Finding(
        f"the critic's AUC is {last[-1][AUC]:.2f}, samples lie {last[-1][ENERGY]:.2f} from the data",
        f"AUC below {LOST}, or below 0.6 while the distance is above {POOR}",
        int(last[0]["step"]),
        "--critic-steps 5, --critic-rate 4, or a larger critic (--hidden, --channels)",
    )


@DETECTORS.register("dead critic", SPREAD)
def dead_critic(records: Sequence[Record]) -> Finding | None:
    """Whether the critic says the same of everything, or learns no more."""
    largest = _largest(records, CRITIC)

    def dead(r: Record) -> bool:  # of one that wins for sure the gradient vanishes, too, and it is not dead
        return r[SPREAD] < MUTE or (r[AUC] <= SURE and r.get(CRITIC, 1.0) < 1e-4 * largest)

    last = _lasting(_seen(records, SPREAD, AUC), dead)
    if not last:
        return None
    return Finding(
        f"its output has a spread of {last[-1][SPREAD]:.2g}, its gradient a norm of {last[-1].get(CRITIC, 0.0):.2g}",
        f"the spread is below {MUTE:g}, or the gradient 1e-4 of its largest",
        int(last[0]["step"]),
        "a lower --lr, a larger --weight-clip if there is one, --critic-norm layer, or another --seed",
    )


@DETECTORS.register("still generator", ENERGY)
def still_generator(records: Sequence[Record]) -> Finding | None:
    """Whether the same codes keep making the same samples."""
    seen = _seen(records, ENERGY, VARIETY)
    moved = [
        {"step": b["step"], "change": sum(abs(b[k] / a[k] - 1) if a[k] else abs(b[k]) for k in (ENERGY, VARIETY))}
        for a, b in zip(seen, seen[1:], strict=False)
    ]
    last = _lasting(moved, lambda r: r["change"] < STILL)
    if not last:
        return None
    return Finding(
        f"fixed codes make what they made: their distances changed by {last[-1]['change']:.1g}",
        f"by less than {STILL:g}, relatively",
        int(last[0]["step"]),
        "a higher --lr, --loss non-saturating, or --schedule constant: is any of its parameters trained?",
    )


def _breadth(r: Record) -> float:
    """Return the least of a record's measures of variety, each by its threshold: below 1 is collapsed."""
    parts = [r[VARIETY] / NARROW, r[KINDS] / FEW_KINDS]
    if r.get(MODES_OF, 0.0) and r[GOOD] > 0.5:  # modes are missing only where samples are in modes at all
        parts.append(r[MODES] / (FEW_KINDS * r[MODES_OF]))
    return min(parts)


def _rising(values: Sequence[float]) -> bool:
    """Return whether the last quarter of some values is a fifth, and 0.05, above all before: young, not collapsed.

    >>> _rising([0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.2, 0.3]), _rising([0.1, 0.3, 0.2, 0.1, 0.1, 0.1, 0.2, 0.3])
    (True, False)
    """
    quarter = max(1, len(values) // 4)
    means = [fmean(values[i : i + quarter]) for i in range(len(values) - quarter + 1)]
    before = max(means[:-quarter], default=means[-1])
    return means[-1] > max(1.2 * before, before + 0.05)


@DETECTORS.register("mode collapse", VARIETY)
def mode_collapse(records: Sequence[Record]) -> Finding | None:
    """Whether samples have less variety than the data: pairwise distance, classes, modes."""
    seen = _seen(records, VARIETY, KINDS)
    last = _lasting(seen, lambda r: _breadth(r) < 1)
    young = len(last) == len(seen)
    if not last or _rising([_breadth(r) for r in seen]) or (young and seen[-1]["step"] < YOUNG):
        return None
    end = last[-1]
    covered = f", {int(end[MODES])} of {int(end[MODES_OF])} modes" if MODES in end else ""
    return Finding(
        f"samples have {end[VARIETY]:.0%} of the data's pairwise distance, {end[KINDS]:.0%} of its classes{covered}"
        + (", and never had enough" if young else ""),
        f"below {NARROW:.0%} of the distance or {FEW_KINDS:.0%} of classes or modes",
        int(last[0]["step"]),
        ("more rounds or a higher --lr if it learns slowly, " if young else "")
        + "--tricks minibatch-discrimination, --penalty r1:weight=1, --loss wasserstein --penalty gradient:weight=10, "
        "or a larger --latent",
    )


@DETECTORS.register("memorisation", NOVELTY)
def memorisation(records: Sequence[Record]) -> Finding | None:
    """Whether samples lie nearer to single training examples than those lie to each other."""
    last = _lasting(_seen(records, NOVELTY), lambda r: r[NOVELTY] < COPIED)
    if not last:
        return None
    return Finding(
        f"a sample's nearest training example is {last[-1][NOVELTY]:.2f} times as near as another example would be",
        f"below {COPIED}, relative to the neighbourhood",
        int(last[0]["step"]),
        "more data, fewer rounds, or a smaller generator and critic (--hidden, --channels)",
    )


def histogram(record: Record) -> list[float]:
    """Return the shares of the classes among made examples, in order."""
    return [value for key, value in record.items() if key.startswith(KIND)]


def turning(a: Record, b: Record) -> float:
    """Return the total variation between the class histograms of two examinations, 0 to 1.

    >>> turning({KIND + "0": 1.0, KIND + "1": 0.0}, {KIND + "0": 0.5, KIND + "1": 0.5})
    0.5
    """
    return sum(abs(x - y) for x, y in zip(histogram(a), histogram(b), strict=True)) / 2


@DETECTORS.register("oscillation", ENERGY)
def oscillation(records: Sequence[Record]) -> Finding | None:
    """Whether the classes of samples keep changing while their distance to the data stands still, and is not small."""
    seen = _seen(records, ENERGY)
    seen = [r for r in seen if r["step"] >= seen[-1]["step"] / 2]
    if len(seen) < 2 * RUN:
        return None
    turns = fmean(turning(a, b) for a, b in zip(seen, seen[1:], strict=False))
    half = len(seen) // 2
    before, after = (fmean(r[ENERGY] for r in part) for part in (seen[:half], seen[half:]))
    if turns < TURNING or after < max(FAR, 0.8 * before):
        return None
    return Finding(
        f"{turns:.0%} of the samples change class between examinations, their distance went from {before:.2f} to "
        f"{after:.2f}",
        f"more than {TURNING:.0%} do while the distance is above {FAR} and falls by less than a fifth",
        int(seen[0]["step"]),
        "--penalty r1:weight=1, --critic-rate 4 with a lower --lr, --beta1 0, or --ema 0.999",
    )
