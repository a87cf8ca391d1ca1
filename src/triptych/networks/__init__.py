"""Networks: plain modules, between scaled examples, codes and features."""

from triptych.networks.blocks import BatchNorm, CoderConfig, Perceptron, Sizes, conditioned, mlp
from triptych.networks.decoders import ConvDecoder, resolve_decoder
from triptych.networks.encoders import ConvEncoder, encoded, resolve_encoder
from triptych.networks.masked import CausalConvNet, MaskedConv2d

__all__ = [
    "BatchNorm",
    "CausalConvNet",
    "CoderConfig",
    "ConvDecoder",
    "ConvEncoder",
    "MaskedConv2d",
    "Perceptron",
    "Sizes",
    "conditioned",
    "encoded",
    "mlp",
    "resolve_decoder",
    "resolve_encoder",
]
