"""The worker: its session with the coordinator, data, learning, roles."""
