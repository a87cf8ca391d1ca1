"""The random streams of an evaluation, by name."""

from __future__ import annotations

from enum import IntEnum, unique


@unique
class Stream(IntEnum):
    """What random numbers are for: `mix(protocol.seed, Stream.SAMPLES)` is a seed of its own in an evaluation.

    The numbers are part of a figure's reproducibility: give a new stream a new number, and never change one.

    Example:
        >>> from triptych.noise import mix
        >>> mix(0, Stream.SAMPLES) == mix(0, Stream.BOUNDS)
        False
    """

    REAL = 1
    """Test examples that samples are compared with."""
    SCORED = 2
    """Test examples whose likelihood is measured."""
    BOUNDS = 4
    SAMPLES = 5
    SAMPLING_SPEED = 6
    TRAINING_DATA = 7
    """Training examples in a model's place."""

    CLUSTERS_TRAIN = 21
    CLUSTERS_TEST = 22
    PROBE_TRAIN = 23
    PROBE_TEST = 24
    UNTRAINED = 25

    PARZEN_TRAIN = 31
    PARZEN_ORDER = 32
    PARZEN_LABELS = 33
    PARZEN_SAMPLES = 34
    FACTORS_TRAIN = 35
    FACTORS_TEST = 36

    AGREEMENT = 41

    ANNEALED_TEST = 51
    ANNEALED_TRAIN = 52
    OBSERVATION = 53
    FORWARD = 54
    SIMULATED = 55
    SIMULATED_FORWARD = 56
    SIMULATED_REVERSE = 57
    MATCHED_TRAIN = 58
    MATCHED_TEST = 59

    FRECHET_BIAS = 61
    PRECISION = 62
    RECALL = 63
    DENSITY = 64
    COVERAGE = 65

    SLICES = 71
    TWO_SAMPLE = 72
    TWO_SAMPLE_NEIGHBOURS = 73
    WALK_START = 74
    WALK_END = 75
    WALK_LABELS = 76

    CODE_WEIGHTS = 82
    CODE_BATCHES = 83
    CODE_TRAIN = 84
    CODE_TEST = 85
    DUPLICATES_WITHIN = 86
    DUPLICATES_BETWEEN = 87

    BAYES_CLASSIFIER = 91
    CALIBRATION = 92
    BAYES_ACCURACY = 93
    PROBE_ACCURACY_TRAIN = 94
    PROBE_ACCURACY_TEST = 95
    LATENCY = 96
    SCORING_SPEED = 97
    MEMORY = 98
    OUTLIER_BOUNDS = 99
    OUTLIERS = 102
    ORDINARY = 103

    LANDSCAPE = 101

    DOMAIN_CODES = 121
    OTHER_CODES = 122
    OTHER_TEST_DATA = 123
    IDENTITY_CODES = 124
    IDENTITY_TEST = 125
    IDENTITY_PAIRS = 126
    IDENTITY_SAMPLES_BY_CHANCE = 127
    IDENTITY_TEST_BY_CHANCE = 128

    CLASSIFIER_BATCHES = 0xBA7C
    CLASSIFIER_WEIGHTS = 0xFEA7
