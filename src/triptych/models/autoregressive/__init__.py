"""Autoregressive models: exact likelihood, sampled in order."""
