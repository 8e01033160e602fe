"""The gateway's command line. See `local.gateway` for what it does."""
