"""The local cloud: both Regions on one Linux machine."""

import sys

if sys.platform != "linux":
    # Exits here, before other modules ask for Linux's C library and /proc and fail with less clear words.
    sys.exit("The local cloud needs Linux: it ends its processes with prctl and finds them in /proc.")
