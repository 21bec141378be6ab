"""Other people's federations, each in an environment of its own under build/peers."""
