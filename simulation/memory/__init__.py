"""Implement the ports in memory. They are deterministic, without threads, clocks or randomness of their own."""
