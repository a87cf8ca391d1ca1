"""Training what is missing, measuring all models under one protocol, and keeping what was measured."""
