"""The ports in memory: deterministic, without threads, clocks or randomness of their own."""
