"""What people answered in a quiz: their files are read beside the key, and each model's fooling rate is counted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from triptych.errors import DataError
from triptych.metrics.forced_choice import FoolingRate, fooling_rate

_KEY = "the key of a quiz, which `triptych quiz RUN` writes beside its page"


@dataclass(frozen=True)
class Scored:
    """What came of a quiz.

    Args:
        rates: by run.
        people: who answered.
        unfinished: a line for each person who did not answer all pairs.
    """

    rates: dict[str, FoolingRate]
    people: int
    unfinished: tuple[str, ...]


@dataclass(frozen=True)
class _Answer:
    person: str
    pair: str
    chosen: str


def score(key: Path, files: Sequence[Path]) -> Scored:
    """Return each model's fooling rate: how often its sample was chosen as the real one.

    The protocol's name is `2afc-50` for 50 pairs of each model, seen for as long as a person likes, and `2afc-50@500ms`
    for pairs that were seen so long. Answers of a person who stopped early are counted.

    Args:
        key: what `write_quiz` wrote beside the page.
        files: what people stored.

    Raises:
        DataError: for a file that is no key or no answers, of another quiz or of one person twice, or whose answers
            name a pair twice or pictures that were not shown in it.
    """
    told = _read(key, _KEY, ("quiz", "pairs"))
    pairs, exposure = told["pairs"], told.get("exposure")
    whole = [isinstance(pair, dict) and {"run", "real", "made"} <= set(pair) for pair in pairs.values()]
    if not whole or not all(whole):
        raise DataError(f"{key} is not {_KEY}")
    given: list[_Answer] = []
    unfinished = []
    whose: dict[str, Path] = {}
    for file in files:
        answers = _answers(file, told["quiz"], pairs)
        if not answers:
            raise DataError(f"{file} holds no answers: leave it out")
        person = answers[0].person
        if person in whose:
            raise DataError(f"{whose[person]} and {file} are of one person: give the one with more answers")
        whose[person] = file
        given += answers
        if len(answers) < len(pairs):
            unfinished.append(f"{file}: {len(answers)} of {len(pairs)} pairs are answered, and these are counted")
    shown = f"@{exposure}ms" if exposure else ""
    runs = list(dict.fromkeys(pair["run"] for pair in pairs.values()))
    each = len(pairs) // len(runs)
    return Scored(
        {run: rate for run in sorted(runs) if (rate := _rate(given, pairs, run, f"2afc-{each}{shown}")) is not None},
        len(whose),
        tuple(unfinished),
    )


def _rate(given: Sequence[_Answer], pairs: dict[str, Any], run: str, protocol: str) -> FoolingRate | None:
    """Return the fooling rate of a run; None if none of its pairs was answered."""
    of = [one for one in given if pairs[one.pair]["run"] == run]
    fooled = torch.tensor([one.chosen == pairs[one.pair]["made"] for one in of])
    return fooling_rate(fooled, [one.person for one in of], [one.pair for one in of], protocol) if of else None


def _answers(file: Path, quiz: str, pairs: dict[str, Any]) -> list[_Answer]:
    """Return the answers in a file, each checked against the key."""
    told = _read(file, "the answers that the page of a quiz stores", ("quiz", "person", "answers"))
    if told["quiz"] != quiz:
        raise DataError(f"{file} answers another quiz ({told['quiz']}, the key is of {quiz}): give its own --key")
    found: dict[str, _Answer] = {}
    for one in told["answers"]:
        pair, chosen = (one.get(name) for name in ("pair", "chosen")) if isinstance(one, dict) else (None, None)
        if not isinstance(pair, str) or pair not in pairs:
            raise DataError(f"{file} was changed: it answers {pair!r}, which is no pair of the quiz")
        if chosen not in (pairs[pair]["real"], pairs[pair]["made"]):
            raise DataError(f"{file} was changed: {chosen!r} is no picture of pair {pair}")
        if pair in found:
            raise DataError(f"{file} was changed: it answers pair {pair} twice")
        found[pair] = _Answer(str(told["person"]), pair, chosen)
    return list(found.values())


def _read(path: Path, expected: str, names: Sequence[str]) -> dict[str, Any]:
    """Return a JSON object that has these names, `pairs` an object and `answers` a list."""
    kinds = {"pairs": dict, "answers": list}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found, dict) and all(isinstance(found.get(name), kinds.get(name, str)) for name in names):
            return found
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): expected {expected}") from None
    except ValueError:  # neither text nor JSON
        pass
    raise DataError(f"{path} is not {expected}")
