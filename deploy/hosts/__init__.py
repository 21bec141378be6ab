"""A federation over several hosts: checked, started, watched, read and ended over SSH."""
