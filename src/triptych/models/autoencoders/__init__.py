"""Autoencoders, plain and variational: codes, and bounds on the likelihood."""
