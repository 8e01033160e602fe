"""Play the real steps of both Regions on one virtual clock, over ports that fail.

`scenario` draws what a seed consists of. `faults` says what may go wrong, and what may not. `monitors` and `judgements`
check what must hold all the same.
"""
