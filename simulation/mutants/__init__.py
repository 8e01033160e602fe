"""Plant bugs into the product's own source, to see whether the tests and the simulation find them. A check that finds
nothing when something is wrong proves nothing when it finds nothing."""
