"""From a causal network's own `forward` to its incremental form: the graph is traced, and each step laid out."""

from __future__ import annotations

import inspect
import operator
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from triptych.networks.arrays import Operation
from triptych.networks.passes import CausalLayer, Pass, Phase, Value


def incremental_pass(
    network: nn.Module,
    batch: int,
    size: tuple[int, int],
    inputs: int,
    colours: int,
    device: torch.device,
    **statics: Tensor | None,
) -> Pass:
    """Return a pass of a causal network over the pixels of a batch.

    Args:
        network: called as `network(x, **statics)`; of `CausalLayer`s and the functions in `POINTWISE`.
        batch: number of examples.
        size: height and width.
        inputs: numbers of the example at a position.
        colours: how many of them are drawn one after the other.
        device: where.
        statics: the network's other arguments: labels, conditions; known from the start.

    Raises:
        NotImplementedError: for a network with a step that has no incremental form.
    """
    run = Pass(batch, size, inputs, colours, device)
    statics = {name: statics.get(name) for name in list(inspect.signature(network.forward).parameters)[1:]}
    given = iter([run.image, *statics.values()])
    known: dict[fx.Node, Any] = {}
    for node in traced(network, statics).nodes:
        if node.op == "placeholder":
            known[node] = next(given)
        elif node.op == "output":
            run.finish(as_value(run, fx.node.map_arg(node.args[0], lambda n: known[n])))
        else:
            known[node] = _follow(run, network, node, known)
    return run


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, CausalLayer) or super().is_leaf_module(m, module_qualified_name)


_GRAPHS: weakref.WeakKeyDictionary[nn.Module, dict[tuple[str, ...], fx.Graph]] = weakref.WeakKeyDictionary()


def traced(network: nn.Module, statics: dict[str, Tensor | None]) -> fx.Graph:
    """Return the graph of a network's forward; traced once for each set of arguments that are not None."""
    absent = tuple(name for name, given in statics.items() if given is None)
    graphs = _GRAPHS.setdefault(network, {})
    if absent not in graphs:
        graphs[absent] = _Tracer().trace(network, concrete_args=dict.fromkeys(absent))
    return graphs[absent]


def _follow(run: Pass, network: nn.Module, node: fx.Node, known: dict[fx.Node, Any]) -> Any:
    """Lay out one step of the graph."""
    given: Any = fx.node.map_arg((node.args, node.kwargs), lambda n: known[n])
    args, kwargs = given
    target: Any = network.get_submodule(node.target) if node.op == "call_module" else node.target  # type: ignore[arg-type]
    values = [a for a in _flat(args) if isinstance(a, Value)]
    if not values:
        if node.op == "get_attr":
            return operator.attrgetter(node.target)(network)  # type: ignore[arg-type]
        return getattr(args[0], target)(*args[1:], **kwargs) if node.op == "call_method" else target(*args, **kwargs)
    if isinstance(target, CausalLayer):
        if len(args) + len(kwargs) > 1:
            raise NotImplementedError(f"{node.format_node()} has no incremental form: a layer takes one value")
        return target.incremental(run, args[0])
    if isinstance(target, (nn.Dropout, nn.Dropout2d, nn.Identity)):
        return args[0]
    rule = POINTWISE.get(type(target) if node.op == "call_module" else target)
    if rule is None or getattr(target, "inplace", False):
        raise NotImplementedError(
            f"{target} in {type(network).__name__} has no incremental form: make it a CausalLayer"
        )
    settings = [a for a in _flat(args) if not isinstance(a, (Value, Tensor))]
    settings += [setting for name, setting in kwargs.items() if (name, setting) not in _USUAL]
    if settings != ([1] if target is torch.cat and "dim" not in kwargs else []):
        raise NotImplementedError(f"{node.format_node()} has no incremental form: its operands must be values")
    if target is torch.cat and run.colours > 1 and any(v.phase > Phase.ROW for v in values):
        raise NotImplementedError(f"{node.format_node()} has no incremental form: it tears colours' blocks apart")
    scale = max(v.scale for v in values)
    operands = [as_value(run, a, scale) for a in _flat(args) if isinstance(a, (Value, Tensor))]
    channels = sum(v.channels for v in operands) if target is torch.cat else max(v.channels for v in operands)
    whole = (lambda *rows: torch.cat(rows, 1)) if target is torch.cat else target
    return pointwise(run, operands, channels, whole, rule)


_USUAL = {("alpha", 1.0), ("inplace", False), ("dim", 1)}
"""Settings that `POINTWISE` takes for granted."""


def _flat(args: Any) -> list[Any]:
    return [a for part in args for a in (part if isinstance(part, (list, tuple)) else [part])]


def as_value(run: Pass, given: Value | Tensor, scale: int = 1) -> Value:
    """Return a value of the pass; a tensor `(B, C, 1 or H, 1 or W)` becomes a STATIC one of a resolution."""
    if isinstance(given, Value):
        return given
    return run.value(given.shape[1], scale, Phase.STATIC, given.detach())


Rule = Callable[..., list[Operation]]
"""From (arrays, output's array, operands' arrays) to operations."""


def pointwise(run: Pass, operands: list[Value], channels: int, whole: Callable[..., Tensor], rule: Rule) -> Value:
    """Lay out a function of the values at one position, which keeps colours' blocks apart.

    Args:
        run: the pass.
        operands: what it is a function of.
        channels: how many numbers it gives.
        whole: the function on rows `(B, C, 1, W)`.
        rule: the function as operations on a pixel's arrays.
    """
    phase = max(v.phase for v in operands)
    scale = max((v.scale for v in operands if v.phase > Phase.STATIC), default=1)
    out = run.value(channels, scale, phase)
    if phase is Phase.ROW:

        def work(row: int) -> None:
            out.map = whole(*(v.at_row(row) for v in operands))
            out.begin_row(row)

        run.at_row(scale, work)
        return out
    for value in operands:
        if value.phase < Phase.PIXEL:
            value.keep_row()

    def make(row: int, column: int, colour: int) -> list[Operation]:
        return rule(run.arrays, out.at(column, out.blocks[colour]), *(v.at(column, v.blocks[colour]) for v in operands))

    run.at_pixel(out, make)
    return out


def _relu(arrays: Any, out: Any, a: Any) -> list[Operation]:
    return [arrays.maximum(a, arrays.constant(a, 0.0), out)]


def _concatenate(arrays: Any, out: Any, *parts: Any) -> list[Operation]:
    operations, start = [], 0
    for part in parts:
        operations.append(arrays.copy(part, out[:, start : start + part.shape[1]]))
        start += part.shape[1]
    return operations


POINTWISE: dict[Any, Rule] = {
    torch.relu: _relu,
    F.relu: _relu,
    nn.ReLU: _relu,
    operator.add: lambda arrays, out, a, b: [arrays.add(a, b, out)],
    operator.mul: lambda arrays, out, a, b: [arrays.multiply(a, b, out)],
    torch.tanh: lambda arrays, out, a: [arrays.tanh(a, out)],
    torch.sigmoid: lambda arrays, out, a: arrays.sigmoid(a, out),
    F.elu: lambda arrays, out, a: arrays.elu(a, out),
    torch.cat: _concatenate,
}
"""What a network may do besides its layers, and how a pixel does it."""
