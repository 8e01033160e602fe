"""Check the protocol's Spin models (docs/model/) exhaustively: `python -m simulation.model`, or `make model`.

`table` lists the checks and their expected results, `pan` parses the checker's output, `judge` compares the two: these
are pure. `tools` and `run` act.
"""
