"""Networks: plain modules, between scaled examples, codes and features."""

from triptych.networks.blocks import BatchNorm, Sizes, conditioned, mlp
from triptych.networks.decoders import ConvDecoder, MLPDecoder, resolve_decoder
from triptych.networks.encoders import ConvEncoder, MLPEncoder, encoded, resolve_encoder
from triptych.networks.masked import CausalConvNet, MaskedConv2d

__all__ = [
    "BatchNorm",
    "CausalConvNet",
    "ConvDecoder",
    "ConvEncoder",
    "MLPDecoder",
    "MLPEncoder",
    "MaskedConv2d",
    "Sizes",
    "conditioned",
    "encoded",
    "mlp",
    "resolve_decoder",
    "resolve_encoder",
]
