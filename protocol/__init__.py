"""The contract of both sides: messages, codec, sockets, scenario, seeds, model specification."""
