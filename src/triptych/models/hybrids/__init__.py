"""Models that join two families."""
