"""Studies: what one asks of a single model beyond figures, one table each."""
