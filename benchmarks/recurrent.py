"""What vectorising over the diagonal buys: a training step of Diagonal BiLSTM against the same, pixel by pixel.

    python benchmarks/recurrent.py

Both steps are forward, backward and Adam on the same weights' maths: the same network and law, and the loop's
features are checked against the network's before anything is timed. Process CPU time of one thread decides.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import torch
from frame import alternate, hardware
from torch import Tensor, nn
from torch.nn import functional as F

import triptych as tp
from triptych.models.autoregressive.pixelrnn import PixelRNN
from triptych.networks.diagonal import DiagonalBiLSTM

RESULTS = Path(__file__).parent / "results" / "recurrent.json"
SIZE = 28


class PixelLoop(nn.Module):
    """A Diagonal BiLSTM layer as one would write it first: a `torch.nn.LSTMCell` a direction, called once a pixel.

    Args:
        inputs: input channels.
        channels: features h of each direction.
    """

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.cells = nn.ModuleList(nn.LSTMCell(inputs + channels, channels) for _ in range(2))

    def load(self, layer: DiagonalBiLSTM) -> None:
        """Take the weights of triptych's layer, whose gates are i, f, o, g where torch's are i, f, g, o."""
        order = [0, 1, 3, 2]
        for cell, source in zip(self.cells, (layer.left, layer.right), strict=True):
            left, above = (part.t().view(4, self.channels, -1)[order] for part in source.state.data.chunk(2))
            own = source.kernel().detach().view(4, self.channels, -1)[order]
            cell.weight_ih.data.copy_(torch.cat((own, above), 2).flatten(0, 1))
            cell.weight_hh.data.copy_(left.flatten(0, 1))
            cell.bias_ih.data.copy_(source.input.bias.data.view(4, -1)[order].flatten())
            cell.bias_hh.data.zero_()

    def direction(self, x: Tensor, cell: nn.Module) -> Tensor:
        """Return the states `(B, h, H, W)` of one direction, from left to right."""
        above = [x.new_zeros(len(x), self.channels)] * x.shape[3]
        rows = []
        for row in x.permute(2, 3, 0, 1).unbind():
            left, row_states = None, []
            for pixel, upper in zip(row.unbind(), above, strict=True):
                left = cell(torch.cat((pixel, upper), 1), left)
                row_states.append(left[0])
            above = row_states
            rows.append(torch.stack(row_states))
        return torch.stack(rows).permute(2, 3, 0, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, inputs, H, W)` to states `(B, h, H, W)`."""
        right = self.direction(x.flip(3), self.cells[1]).flip(3)
        return self.direction(x, self.cells[0]) + F.pad(right[:, :, :-1], (0, 0, 1, 0))


def measure(channels: int, layers: int, batch: int, pairs: int) -> dict[str, object]:
    """Return images/s of a training step of both, and how many times faster triptych's is."""
    torch.manual_seed(0)
    event = tp.Event((1, SIZE, SIZE), 2)
    ours, loop = (PixelRNN(event, channels=channels, layers=layers) for _ in range(2))
    for index in range(layers):
        loop.network.recurrent[index] = PixelLoop(2 * channels, channels)
    loop.load_state_dict(ours.state_dict(), strict=False)
    for layer, literal in zip(ours.network.recurrent, loop.network.recurrent, strict=True):
        literal.load(layer)
    x = (torch.rand(batch, 1, SIZE, SIZE) < 0.2).to(torch.uint8)
    with torch.no_grad():
        apart = float((ours.nll_map(x, None) - loop.nll_map(x, None)).abs().max())
    assert apart < 1e-4, f"the loop computes something else: {apart:.2g} nats"

    def step_of(model: nn.Module) -> Callable[[], int]:
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)

        def step() -> int:
            optimizer.zero_grad(set_to_none=True)
            loss = model.nll_map(x, None).sum() / batch
            loss.backward()
            optimizer.step()
            return batch

        return step

    found = alternate(step_of(ours), step_of(loop), pairs)
    names = {"fit images/s": "diagonals, images/s", "bare images/s": "pixel by pixel, images/s"}
    figures: dict[str, object] = {"channels": channels, "layers": layers, "batch": batch, "size": SIZE, "pairs": pairs}
    return figures | {names.get(name, name): value for name, value in found.items()}


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repeats: to see that it runs")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    few = options.quick
    found: dict[str, object] = {"hardware": hardware()}
    configurations = [(16, 7, 1), (16, 7, 4), (16, 7, 16), (32, 1, 16)]  # table 4 has h=16, 7 layers; h=32, 1 layer
    for channels, layers, batch in configurations:
        found[f"{layers} × h={channels}, batch {batch}"] = measure(channels, layers, batch, 2 if few else 7)
    print(json.dumps(found, indent=2))
    if not few:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
