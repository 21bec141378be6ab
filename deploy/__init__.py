"""Starting all of it: one machine, several hosts; the command line."""
