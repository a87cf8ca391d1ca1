"""Walks through the space of codes, from one to another."""

from __future__ import annotations

import torch
from torch import Tensor

from triptych.data.examples import Examples
from triptych.errors import ConfigurationError, DataError, did_you_mean
from triptych.models.questions import Decoder, Label
from triptych.queries.codes import Decoded, decode_rows

PATHS = ("linear", "spherical")


def interpolate(
    model: Decoder,
    start: Examples | Tensor,
    end: Examples | Tensor,
    steps: int = 8,
    path: str = "linear",
    label: Label = None,
) -> Decoded:
    """Walk from the code of each example to another's, or from code to code, and decode each step.

    Args:
        model: decodes; encodes, too, if examples are given.
        start: N examples, or codes `(N, Z)`.
        end: as many.
        steps: how many points, both ends included.
        path: "linear", or "spherical" (constant angle; White 2016, *Sampling Generative Networks*, §2.1).
        label: of a conditional model: one for all, or one for each walk. If None, each step has the label of the
            nearer end, so that examples need their own.

    Returns:
        Codes `(N, steps, Z)`, and `N · steps` examples; both ends are the reconstructions.

    Raises:
        ConfigurationError: for fewer than 2 steps, or another path.
        DataError: unless there are as many ends as starts, or for missing labels.

    Example:
        >>> import triptych as tp
        >>> model = tp.VAE(tp.Event((1, 8, 8), levels=17), latent=4)
        >>> ends = model.sample(2, seed=0)
        >>> len(interpolate(model, ends[:1], ends[1:], steps=5).examples)
        5
    """
    if len(start) != len(end):
        raise DataError(f"{len(start)} starts and {len(end)} ends were given: expected one for each end")
    a, b = (model.encode(one, label=label) if isinstance(one, Examples) else one for one in (start, end))
    codes = code_path(a, b, steps, path)
    if model.conditional and label is None and isinstance(start, Examples) and isinstance(end, Examples):
        label = nearer_label(start.labels, end.labels, steps)
    return decode_rows(model, codes, label)


def nearer_label(start: Tensor | None, end: Tensor | None, steps: int) -> Tensor | None:
    """Return the label of the nearer end at each step, `(N, steps)`: the first half has the start's.

    Args:
        start: labels `(N,)`, or vectors; None for none.
        end: as many.
        steps: how many points.

    Example:
        >>> nearer_label(torch.tensor([3]), torch.tensor([5]), steps=4)
        tensor([[3, 3, 5, 5]])
    """
    if start is None or end is None:
        return None
    return torch.stack([start if 2 * k <= steps - 1 else end for k in range(steps)], 1)


def code_path(start: Tensor, end: Tensor, steps: int = 8, path: str = "linear") -> Tensor:
    """Return the codes on the way from one to another.

    `(1 - t) a + t b` on a linear path; on a spherical one `sin((1-t)ω)/sin ω a + sin(tω)/sin ω b`, ω the angle
    between a and b, and the chord where they (nearly) align.

    Args:
        start: codes a, `(N, Z)`.
        end: codes b, `(N, Z)`.
        steps: how many points, both ends included: t = 0 … 1.
        path: "linear" or "spherical".

    Returns:
        `(N, steps, Z)`.

    Raises:
        ConfigurationError: for fewer than 2 steps, or another path.

    Example:
        >>> code_path(torch.tensor([[0.0, 2.0]]), torch.tensor([[4.0, 2.0]]), steps=3)
        tensor([[[0., 2.],
                 [2., 2.],
                 [4., 2.]]])
    """
    if steps < 2:
        raise ConfigurationError(f"{steps} steps were asked for: expected at least the 2 ends")
    return codes_at(start, end, torch.linspace(0, 1, steps), path)


def codes_at(start: Tensor, end: Tensor, t: Tensor, path: str = "linear") -> Tensor:
    """Return the codes at some points of the way from one to another; see `code_path`.

    Args:
        start: codes a, `(N, Z)`.
        end: codes b, `(N, Z)`.
        t: the same points of all ways, `(steps,)`, or of each its own, `(N, steps)`; 0 is a, 1 is b.
        path: "linear" or "spherical".

    Returns:
        `(N, steps, Z)`.

    Raises:
        ConfigurationError: for another path.

    Example:
        >>> codes_at(torch.tensor([[0.0], [5.0]]), torch.tensor([[4.0], [6.0]]), torch.tensor([[0.25], [0.5]]))[:, 0, 0]
        tensor([1.0000, 5.5000])
    """
    if path not in PATHS:
        raise ConfigurationError(f"no path {path!r}: there is linear and spherical; {did_you_mean(path, PATHS)}")
    of_start, of_end = ((1 - t), t) if path == "linear" else _spherical(start, end, t)
    return of_start.to(start.dtype).unsqueeze(-1) * start.unsqueeze(1) + of_end.to(end.dtype).unsqueeze(
        -1
    ) * end.unsqueeze(1)


def _spherical(a: Tensor, b: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """Return the weights of both ends, `(N, steps)`."""
    cosine = torch.nn.functional.cosine_similarity(a.double(), b.double()).clamp(-1, 1)
    omega = torch.arccos(cosine).unsqueeze(1)
    sine = torch.sin(omega)
    aligned = sine < 1e-6
    sine = torch.where(aligned, 1.0, sine)
    weights = [torch.where(aligned, part, torch.sin(part * omega) / sine) for part in ((1 - t).double(), t.double())]
    return weights[0].to(a.dtype), weights[1].to(a.dtype)
