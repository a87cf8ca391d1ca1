"""Objectives: pure functions from distributions or critics' outputs to unreduced loss terms."""
