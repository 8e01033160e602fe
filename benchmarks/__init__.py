"""Figures, with the method beside them. Never deployed."""
