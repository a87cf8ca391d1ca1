"""What each measure says, in plain sentences, as a report prints them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from triptych.evaluation.figures import METRICS

_TEXTS = {
    "nats": "How much probability the model gives to unseen examples, in nats; 1 nat more "
    "means e ≈ 2.7 times as probable. “=” is exact; “≥” is a lower bound, the truth may be higher.",
    "bits-per-dim": "The same as a code length, -log p / (D ln 2): bits to store one sub-pixel; less "
    "is better, and a bound on log p turns into “≤”.",
    "fid": "How far samples and test examples lie apart in mean and covariance of the named "
    "features; less is better, and what real training data scores is as low as it gets at this sample count. "
    "Comparable at equal sample count and features only.",
    "kid": "The same of all moments up to the third, without bias: around 0, below it too, for samples like the data.",
    "precision": "Share of samples that lie where real examples do: how good a single sample is.",
    "recall": "Share of real examples that lie where samples do: how much of the data the model covers.",
    "density": "As precision, counting how many real examples' neighbourhoods a sample lies in; 1 for real data.",
    "coverage": "Share of real examples with a sample in their own neighbourhood; outliers matter less than in recall.",
    "near-copies": "Share of samples that stand out as near to one training example: their distance to it, "
    "over the mean distance to their 50 nearest, is below that of 99 % of unseen real examples. So unseen "
    "data shows about 1 %; much more means copying. Noise scores 0, so read it with the Fréchet distance.",
    "reconstruction": "Mean squared difference of unseen examples from what their codes tell of them, black "
    "and white being 1 apart (vectors: in units of their spread). Longer codes tell more.",
    "lost-progress": "What the training had lost again by its end of what it had gained on unseen data: held-out "
    "log-likelihood, or of a game the energy distance of samples; 0 is a training that ends at its best.",
    "speed": "Examples drawn each second by a warm model; ± is the error of the median over repeats, "
    "not how much another machine differs.",
}

ERRORS = (
    "± is one standard error: over test examples (log-likelihood), by the jackknife on both sets (Fréchet), binomial "
    "(shares), of the noise between examinations (progress lost). "
)
SINGLE = "Seeds of training add to it and are not in it: --seeds 3 puts them in."
SEVERAL = (
    "Of a model that was trained with several seeds (|3-seeds) a figure is the mean, and its error "
    "√(SD² / S + mean squared single error): the spread between trainings is in it."
)

STEADINESS = (
    "A model is steady if no training of it diverged and the doctor (triptych diagnose) has no finding "
    "of any; among steady ones it is the least progress lost again by the end that tells, where it was measured on the "
    "same thing. Held-out log-likelihoods and the energy distances of games are not compared with each other."
)


def how_to_read(keys: Sequence[str], several: bool) -> dict[str, str]:
    """Return what each measure of a report says, by its label.

    Args:
        keys: of the measures.
        several: whether models were trained with several seeds.
    """
    texts = {METRICS[key].label: _TEXTS.get(key) or _of_docstring(key) for key in keys}
    texts = {label: text for label, text in texts.items() if text}
    return {
        **texts,
        "Steadiest training": STEADINESS,
        "Standard errors": ERRORS + (SEVERAL if several else SINGLE),
    }


def _of_docstring(key: str) -> str:
    """Return the first sentence of a metric's docstring as a description."""
    text = " ".join((METRICS[key].function.__doc__ or "").strip().split("\n\n")[0].split())
    text = re.sub(r"; see `[^`]*`|`", "", text.removeprefix("Return "))
    return text[:1].upper() + text[1:]
