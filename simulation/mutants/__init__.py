"""Bugs that are planted into the product's own source, to see whether they are found: what finds nothing when something
is wrong proves nothing when it finds nothing."""
