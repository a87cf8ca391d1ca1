"""What a model costs: time, memory, and the threads that are worth while."""
