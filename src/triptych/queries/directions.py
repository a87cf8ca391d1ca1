"""Directions of a code that are no coordinates of it: those that change examples most, and parts that have names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from triptych.errors import ConfigurationError, DataError
from triptych.models.adversarial.layout import CATEGORICAL, NamedCode
from triptych.models.questions import Decoder, Label, chunks
from triptych.queries.codes import Decoded, Spread, decode_rows
from triptych.queries.traversal import standard_values

_STEP = 0.01  # standard deviations to either side: the error of a difference is least about here in float32


class Directions(NamedTuple):
    """Orthogonal directions in codes that are standardised, those that change examples most first."""

    vectors: Tensor
    """`(Z, Z)`: a unit vector each row."""
    change: Tensor
    """`(Z,)`: mean squared change of an example, in the units of `squared_errors`, by a standard deviation squared."""


def principal_directions(
    model: Decoder, codes: Tensor, *, spread: Spread | None = None, label: Label = None
) -> Directions:
    """Return the eigenvectors of `1/D E[S Jᵀ J S]`, J the decoder's Jacobian at a code, S the codes' deviations.

    They are to every decoder what right singular vectors are to a linear one: the directions in which an example
    changes most, on average over codes. J is found by central differences, so that any module will do. Reference: Wang
    & Ponce 2021, *A Geometric Analysis of Deep Generative Image Models and Its Applications*, §2; in the place of the
    principal components of activations of Härkönen et al. 2020, *GANSpace*, which need a layer to be named.

    Args:
        model: decodes.
        codes: `(N, Z)` at which the Jacobian is taken, such as 64 of the prior.
        spread: of the codes; None for that of N(0, I).
        label: of a conditional model: one for all, or one for each code.

    Raises:
        DataError: for no codes, codes of another length, or missing labels.

    Example:
        >>> import triptych as tp
        >>> model = tp.VAE(tp.Event((1, 8, 8), levels=17), latent=4)
        >>> found = principal_directions(model, model.sample_codes(8, seed=0))
        >>> torch.allclose(found.vectors @ found.vectors.T, torch.eye(4), atol=1e-5)
        True
    """
    if codes.dim() != 2 or not len(codes) or codes.shape[1] != model.latent:
        raise DataError(f"codes have shape {tuple(codes.shape)}: expected (N, {model.latent}), N at least 1")
    scale = (spread or Spread.standard(model.latent)).scale
    labels = model.labels(label, len(codes))
    total = torch.zeros(model.latent, model.latent, dtype=torch.float64)
    with model.asking():
        for i, code in enumerate(codes):
            steps = torch.cat([code + _STEP * scale.diag(), code - _STEP * scale.diag()])
            own = None if labels is None else labels[i : i + 1].expand(len(steps), *labels.shape[1:])
            there, back = _decoded(model, steps, own).chunk(2)
            jacobian = (there - back) / (2 * _STEP)  # (Z, D)
            total += jacobian @ jacobian.T / model.event.dims
    values, vectors = torch.linalg.eigh(total / len(codes))
    vectors = vectors.flip(1).T
    strongest = vectors.gather(1, vectors.abs().argmax(1, keepdim=True))
    return Directions((vectors * strongest.sign()).float(), values.flip(0).clamp(min=0).float())


def _decoded(model: Decoder, codes: Tensor, label: Tensor | None) -> Tensor:
    """Return what is expected of codes in the units of `squared_errors`, float64 `(N, D)`."""
    event, parts = model.event, []
    for part in chunks(len(codes), "following codes"):
        made = model._decode(codes[part].to(model.device), None if label is None else label[part])
        flat = made.flatten(1) / (event.levels - 1) if event.levels is not None else event.scaled(made)
        parts.append(flat.double().cpu())
    return torch.cat(parts)


def along(
    model: Decoder,
    centre: Tensor,
    vectors: Tensor,
    steps: int = 9,
    extent: float = 3.0,
    spread: Spread | None = None,
    label: Label = None,
) -> Decoded:
    """Move a code along directions, and decode each step: `z + t s v`, t = -extent … extent.

    Args:
        model: decodes.
        centre: a code z `(Z,)`.
        vectors: `(R, Z)` directions v in standardised codes, such as those of `principal_directions`.
        steps: how many values of t.
        extent: standard deviations to either side.
        spread: s; None for that of N(0, I).
        label: of a conditional model.

    Returns:
        A row for each direction.

    Raises:
        ConfigurationError: for fewer than 2 steps, or an extent that is not positive and finite.
        DataError: for directions of another length.

    Example:
        >>> import triptych as tp
        >>> model = tp.VAE(tp.Event((1, 8, 8), levels=17), latent=2)
        >>> along(model, torch.ones(2), torch.tensor([[0.6, 0.8]]), steps=3, extent=1.0).codes[0, 2]
        tensor([1.6000, 1.8000])
    """
    t = standard_values(steps, extent)
    if vectors.dim() != 2 or vectors.shape[1] != len(centre):
        raise DataError(f"directions {tuple(vectors.shape)} for codes of {len(centre)} numbers: expected one a row")
    scale = (spread or Spread.standard(len(centre))).scale
    return decode_rows(model, centre + t[:, None] * (scale * vectors).unsqueeze(1), label)


def sweep(
    model: Decoder,
    centre: Tensor,
    codes: Sequence[NamedCode],
    steps: int = 9,
    extent: float = 3.0,
    spread: Spread | None = None,
    label: Label = None,
) -> Decoded:
    """Give parts of a code that have names each of their values, the others unchanged, and decode.

    A category takes its values one after the other; a continuous code goes as far to either side of its mean as
    `traverse` goes. Reference: Chen et al. 2016, *InfoGAN*, fig. 2.

    Args:
        model: decodes codes that have such parts.
        centre: a code `(Z,)`.
        codes: which parts; if categories are among them, there are as many steps as these have values.
        steps: how many values of continuous codes otherwise.
        extent: standard deviations to either side.
        spread: mean and standard deviation of the codes; None for those of N(0, I).
        label: of a conditional model.

    Returns:
        A row for each part.

    Raises:
        ConfigurationError: for no parts, categories of several sizes, fewer than 2 steps, or such an extent.

    Example:
        >>> import triptych as tp
        >>> model = tp.build("infogan", tp.Event((1, 8, 8), levels=17), categorical="3", continuous=1, channels=4)
        >>> found = sweep(model, model.sample_codes(1, seed=0)[0], model.code_layout)
        >>> found.codes.shape[:2], found.codes[0, :, :3].tolist()
        (torch.Size([2, 3]), [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    """
    sizes = {code.size for code in codes if code.kind == CATEGORICAL}
    if not codes or len(sizes) > 1:
        several = " and ".join(map(str, sorted(sizes)))
        raise ConfigurationError(
            f"categories of {several} values have rows of several lengths: choose among them"
            if sizes
            else "no code was named to sweep: expected at least one"
        )
    t = standard_values(sizes.pop() if sizes else steps, extent)
    mean, scale = spread or Spread.standard(len(centre))
    rows = centre.repeat(len(codes), len(t), 1)
    for row, code in zip(rows, codes, strict=True):
        j = code.first
        row[:, code.part] = torch.eye(code.size) if code.kind == CATEGORICAL else (mean[j] + t * scale[j]).unsqueeze(1)
    return decode_rows(model, rows, label)
