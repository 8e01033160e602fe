"""The real steps of both Regions on one virtual clock, over ports that fail. What a seed draws is in `scenario`, what
may go wrong and what may not in `faults`, what must hold all the same in `monitors` and `verdicts`."""
