"""What a model costs: time, memory and threads."""
