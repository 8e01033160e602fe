"""The protocol's Spin models (docs/model/), checked exhaustively: `python -m simulation.model`, or `make model`.

`table` says what is checked and what must come of it, `pan` reads what the checker says, `judge` compares the two:
these are pure. `tools` and `run` act.
"""
