"""Autoregressive models, by name: an entry each."""

from triptych.catalogue.entry import Entry

AUTOREGRESSIVE: dict[str, Entry] = {
    "bayesian-network": Entry(
        "autoregressive",
        "autoregressive.bayesnet:BayesianNetwork",
        "Pearl 1988",
        "conditional probability tables along a given graph, fitted by counting: exact answers to any query",
    ),
    "fvbn": Entry(
        "autoregressive",
        "autoregressive.fvbn:FVBN",
        "Frey 1998",
        "each site linear in all before it: exact likelihood, the least of the family",
    ),
    "nade": Entry(
        "autoregressive",
        "autoregressive.nade:NADE",
        "Larochelle & Murray 2011",
        "hidden units that all sites share: exact likelihood, any law and order",
    ),
    "made": Entry(
        "autoregressive",
        "autoregressive.made:MADE",
        "Germain et al. 2015",
        "a masked autoencoder, alone or as an ensemble of masks and orders: exact likelihood",
    ),
    "pixelcnn": Entry(
        "autoregressive",
        "autoregressive.pixelcnn:PixelCNN",
        "van den Oord et al. 2016",
        "masked convolutions over the chain rule: exact likelihood, sampled pixel by pixel",
    ),
    "gated-pixelcnn": Entry(
        "autoregressive",
        "autoregressive.gated:GatedPixelCNN",
        "van den Oord et al. 2016b",
        "gated convolutions in two stacks, no blind spot: exact likelihood; conditioned on labels or vectors",
    ),
    "pixelcnn++": Entry(
        "autoregressive",
        "autoregressive.pixelcnnpp:PixelCNNPlusPlus",
        "Salimans et al. 2017",
        "residual streams at several resolutions with short-cuts and dropout: exact likelihood",
    ),
    "multiscale-pixelcnn": Entry(
        "autoregressive",
        "autoregressive.multiscale:MultiScalePixelCNN",
        "van den Oord et al. 2016",
        "a small image first, then the pixels between given all of it: one exact likelihood",
    ),
    "row-lstm": Entry(
        "autoregressive",
        "autoregressive.pixelrnn:PixelRNN",
        "van den Oord et al. 2016",
        "an LSTM from row to row, over a triangle of the pixels above: exact likelihood",
        {"layer": "row"},
    ),
    "diagonal-lstm": Entry(
        "autoregressive",
        "autoregressive.pixelrnn:PixelRNN",
        "van den Oord et al. 2016",
        "an LSTM along the diagonals, over all pixels to the upper left: exact likelihood",
        {"layer": "diagonal"},
    ),
    "diagonal-bilstm": Entry(
        "autoregressive",
        "autoregressive.pixelrnn:PixelRNN",
        "van den Oord et al. 2016",
        "LSTMs along both diagonals, over every pixel before: exact likelihood, slower to train than pixelcnn",
        {"layer": "diagonal-bi"},
    ),
}
