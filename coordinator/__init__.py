"""The daemon: membership, rounds, aggregation, checkpoints, journal; reading a run afterwards."""
