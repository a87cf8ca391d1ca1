"""What can go wrong with any model: collapsed posteriors, exploding gradients, figures that are no numbers, data."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from triptych.training.diagnosis.examination import ACTIVE, DISTINCT, EXAMPLES_SEEN, INACTIVE, LABELS, LABELS_SEEN
from triptych.training.diagnosis.finding import DETECTORS, Finding, still
from triptych.training.logging import Record

COLLAPSED = 0.9
"""Share of a code's units that are inactive, from which on the posterior has collapsed."""
WARM, ROUNDS = 3, 200
"""Examinations, and rounds, that are too early to judge by: codes begin to be used one after the other."""
NORM = "/gradient_norm"
GROWN, LARGE = 100.0, 100.0
"""A gradient explodes if its norm is so many times that of the first tenth of the run, and so large."""
FEW = 50
"""Fewer different training examples than these are learnt by heart."""
NON_FINITE = "non-finite/"
"""Begins the name of a figure that says what was not finite, "non-finite/<player>/<what>/<where>": of the round."""


@DETECTORS.register("posterior collapse", ACTIVE)
def posterior_collapse(records: Sequence[Record]) -> Finding | None:
    """Whether hardly a unit of the code depends on the example any more (Bowman et al. 2016, §3)."""
    seen = [record for record in records if ACTIVE in record]
    last = still(seen, lambda r: r[INACTIVE] >= COLLAPSED * (r[ACTIVE] + r[INACTIVE]))
    if not last or len(seen) < WARM or seen[-1]["step"] < ROUNDS:
        return None
    active, units = int(last[-1][ACTIVE]), int(last[-1][ACTIVE] + last[-1][INACTIVE])
    return Finding(
        f"{active} of {units} units of the code depend on the example",
        f"{COLLAPSED:.0%} do not",
        int(last[0]["step"]),
        "--kl-warmup over the first tenth of the rounds, --free-bits 0.1, a smaller --beta, or a smaller decoder",
    )


@DETECTORS.register("exploding gradients", NORM)
def exploding_gradients(records: Sequence[Record]) -> Finding | None:
    """Whether the norm of a player's gradient has grown beyond all measure since the beginning."""
    keys = dict.fromkeys(key for record in records for key in record if key.endswith(NORM))
    for key in keys:
        seen = [record for record in records if key in record]
        early = median(r[key] for r in seen[: max(3, len(seen) // 10)])
        limit = max(GROWN * early, LARGE)
        last = still(seen, lambda r, key=key, limit=limit: r[key] > limit)  # type: ignore[misc]
        if len(last) >= WARM:
            return Finding(
                f"the norm of {key.removesuffix(NORM)}'s gradient is {last[-1][key]:.3g}, in the beginning {early:.3g}",
                f"above {limit:.3g}, {GROWN:g} times that of the beginning",
                int(last[0]["step"]),
                "a lower --lr, --clip 1, or of a game --penalty r1:weight=1 or --critic-norm spectral",
            )
    return None


@DETECTORS.register("non-finite figures", NORM)
def non_finite_figures(records: Sequence[Record]) -> Finding | None:
    """Whether a loss term or a gradient became NaN or infinite: which term, in which layer, in which round."""
    found = [(key, record[key]) for record in records for key in record if key.startswith(NON_FINITE)]
    if not found:
        return None
    key, step = found[-1]
    player, what, where = key.removeprefix(NON_FINITE).split("/", 2)
    return Finding(
        f"{player}'s {what} was no number" + (f"; {where}" if where else ""),
        "any figure is NaN or infinite",
        int(step),
        "a lower --lr, or --clip 1",
    )


@DETECTORS.register("few examples", EXAMPLES_SEEN)
def few_examples(records: Sequence[Record]) -> Finding | None:
    """Whether there are enough training examples for a model not to learn them by heart."""
    seen = next((r for r in records if EXAMPLES_SEEN in r), None)
    if seen is None or min(seen[EXAMPLES_SEEN], seen.get(DISTINCT, FEW)) >= FEW:
        return None
    count, differ = int(seen[EXAMPLES_SEEN]), int(seen.get(DISTINCT, seen[EXAMPLES_SEEN]))
    return Finding(
        f"{count} training examples" + (f", {differ} of them different" if differ < count else ""),
        f"fewer than {FEW}",
        0,
        "more data, or a smaller --test-fraction; samples can be no more than these examples again",
    )


@DETECTORS.register("missing labels", LABELS_SEEN)
def missing_labels(records: Sequence[Record]) -> Finding | None:
    """Whether a conditional model sees examples of every label that it can be asked for."""
    seen = next((r for r in records if LABELS_SEEN in r), None)
    if seen is None or seen[LABELS_SEEN] >= seen[LABELS]:
        return None
    return Finding(
        f"the data has {int(seen[LABELS_SEEN])} of the model's {int(seen[LABELS])} labels",
        "any has no example",
        0,
        f"--classes {max(2, int(seen[LABELS_SEEN]))} or none, or data with all labels",
    )
