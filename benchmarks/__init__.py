"""Benchmarks. Each result names its method. Never deployed."""
