"""Property tests of the core."""

import hypothesis

# The machine may be busy: no example is wrong because it is slow.
hypothesis.settings.register_profile("core", deadline=None)
hypothesis.settings.load_profile("core")
