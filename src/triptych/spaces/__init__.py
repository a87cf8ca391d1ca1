"""Spaces: what examples, conditions and codes are."""

from triptych.spaces.labels import Labels

__all__ = ["Labels"]
