"""Autoregressive models, by name: an entry each."""

from functools import partial

from triptych.catalogue.entry import Entry

_entry = partial(Entry, "autoregressive")
_PIXELRNN = "autoregressive.pixelrnn:PixelRNN"

AUTOREGRESSIVE: dict[str, Entry] = {
    "bayesian-network": _entry(
        "autoregressive.bayesnet:BayesianNetwork",
        "Pearl 1988",
        "conditional probability tables along a given graph, fitted by counting: exact answers to any query",
    ),
    "fvbn": _entry(
        "autoregressive.fvbn:FVBN",
        "Frey 1998",
        "each site linear in all before it: exact likelihood, the least of the family",
    ),
    "nade": _entry(
        "autoregressive.nade:NADE",
        "Larochelle & Murray 2011",
        "hidden units that all sites share: exact likelihood, any law and order",
    ),
    "made": _entry(
        "autoregressive.made:MADE",
        "Germain et al. 2015",
        "a masked autoencoder, alone or as an ensemble of masks and orders: exact likelihood",
    ),
    "pixelcnn": _entry(
        "autoregressive.pixelcnn:PixelCNN",
        "van den Oord et al. 2016",
        "masked convolutions over the chain rule: exact likelihood, sampled pixel by pixel",
    ),
    "gated-pixelcnn": _entry(
        "autoregressive.gated:GatedPixelCNN",
        "van den Oord et al. 2016b",
        "gated convolutions in two stacks, no blind spot: exact likelihood; conditioned on labels or vectors",
    ),
    "pixelcnn++": _entry(
        "autoregressive.pixelcnnpp:PixelCNNPlusPlus",
        "Salimans et al. 2017",
        "residual streams at several resolutions with short-cuts and dropout: exact likelihood",
    ),
    "multiscale-pixelcnn": _entry(
        "autoregressive.multiscale:MultiScalePixelCNN",
        "van den Oord et al. 2016",
        "a small image first, then the pixels between given all of it: one exact likelihood",
    ),
    "row-lstm": _entry(
        _PIXELRNN,
        "van den Oord et al. 2016",
        "an LSTM from row to row, over a triangle of the pixels above: exact likelihood",
        {"layer": "row"},
    ),
    "diagonal-lstm": _entry(
        _PIXELRNN,
        "van den Oord et al. 2016",
        "an LSTM along the diagonals, over all pixels to the upper left: exact likelihood",
        {"layer": "diagonal"},
    ),
    "diagonal-bilstm": _entry(
        _PIXELRNN,
        "van den Oord et al. 2016",
        "LSTMs along both diagonals, over every pixel before: exact likelihood, slower to train than pixelcnn",
        {"layer": "diagonal-bi"},
    ),
}
