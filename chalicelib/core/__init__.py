"""Define the product's terms as data (objects, endpoints, rows, manifests, jobs), and decide by pure rules about them.

The data is frozen. Its times are whole milliseconds since the Unix epoch and informational only: no decision about
safety ever compares two of them. ETags are kept without their quotes.
"""
