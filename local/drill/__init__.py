"""This package is the failover drill. Regions of a local cloud die, hang, sleep, are cut apart and return in the middle
of real work. Every promise is checked from the outside, by S3's versions and uploads and by the API's answers.

    make drill CASE=b SCALE=20 SEED=7

- `times`     the policy's times divided by SCALE, and what is promised at that scale
- `model`     what is measured and judged, as data
- `stage`     the cloud with all that a case does to it: files, faults, deaths, sweeps
- `customer`  a client of the one API name that only ever retries; `watcher` looks for partial objects meanwhile
- `cases/`    the stories, one module each
- `collect`, `judge`  evidence from the outside, and what follows from it (pure)
- `report`, `chart`   out/drill.json and out/drill.html (pure)
- `show`      runs it all
"""
