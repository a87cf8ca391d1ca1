"""Self-attention over the positions of a feature map."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SelfAttention(nn.Module):
    """Adds to each position what it finds at all others: `y_j = x_j + γ W_v Σ_i β_ji W_h x_i`.

    `β_ji` is the softmax over i of `(W_f x_i)ᵀ (W_g x_j)`, each W a 1×1 convolution, and γ starts at 0: at first only
    neighbourhoods are seen. Reference: Zhang et al. 2019, *Self-Attention Generative Adversarial Networks*, eq. 1-3.

    Args:
        channels: C; the inner products are of C/8 channels, at least 1.

    Example:
        >>> x = torch.randn(2, 16, 8, 8)
        >>> torch.equal(SelfAttention(16)(x), x)
        True
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(1, channels // 8)
        self.f, self.g, self.h = (nn.Conv2d(channels, inner, 1, bias=False) for _ in range(3))
        self.v = nn.Conv2d(inner, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, C, H, W)` to the same shape."""
        f, g, h = (layer(x).flatten(2) for layer in (self.f, self.g, self.h))  # (B, C', H W)
        weight = torch.softmax(torch.bmm(g.transpose(1, 2), f).float(), 2).to(h.dtype)  # (B, j, i)
        found = torch.bmm(h, weight.transpose(1, 2)).view(len(x), -1, *x.shape[2:])
        out: Tensor = x + self.gamma * self.v(found)
        return out


def attention_at(side: int, attention: int, channels: int) -> nn.Module:
    """Return self-attention if the feature map of this side is the one that it is asked for at, else the identity."""
    return SelfAttention(channels) if side == attention else nn.Identity()
