"""What to type to measure a figure of a report again, alone."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from triptych.data import load
from triptych.evaluation.figures import METRICS
from triptych.evaluation.protocol import Protocol, counted


def asked_name(key: str, protocol: Protocol) -> str:
    """Return the name by which `evaluate` measures a metric as a comparison did: `fid-1000@digits-net`.

    Args:
        key: of the metric.
        protocol: of the comparison.
    """
    metric = METRICS[key]
    size = ""
    if metric.sized:
        number = getattr(protocol, metric.sized)
        size = "-" + ("x".join(map(str, number)) if isinstance(number, tuple) else counted(number))
    return key + size + (f"@{protocol.extractor.name}" if metric.featured else "")


def data_flags(source: Mapping[str, Any]) -> list[str]:
    """Return the options that name data, from the arguments of `load`; none for data that came from elsewhere.

    Args:
        source: `Examples.source`.

    Example:
        >>> data_flags({"spec": "ring", "count": 400, "seed": 3, "test_fraction": 0.25, "skip_bad": False})
        ['--data', 'ring', '--data-seed', '3', '--count', '400']
    """
    if "spec" not in source:
        return []
    flags = ["--data", str(source["spec"])]
    for name, parameter in inspect.signature(load).parameters.items():
        if name == "spec" or name not in source or source[name] == parameter.default:
            continue
        flag = "--data-seed" if name == "seed" else f"--{name.replace('_', '-')}"
        flags += [flag] if source[name] is True else [flag, str(source[name])]
    return flags


def command_of(runs: Sequence[str], key: str, protocol: Protocol) -> str:
    """Return the command that measures one figure of runs again; empty for models that were never stored.

    Args:
        runs: their directories.
        key: of the metric.
        protocol: of the comparison.
    """
    if not runs:
        return ""
    words = ["triptych", "evaluate", *runs, "--metrics", asked_name(key, protocol), *data_flags(protocol.train.source)]
    return shlex.join([*words, "--seed", str(protocol.seed)] if protocol.seed else words)
