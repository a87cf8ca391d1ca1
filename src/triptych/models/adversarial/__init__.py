"""Adversarial models: samples from a game between a generator and a critic."""
