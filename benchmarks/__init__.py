"""This package holds benchmarks. Each result names its method. They are never deployed."""
