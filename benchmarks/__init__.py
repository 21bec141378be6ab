"""What is measured in the open: small programs, each of which can be run alone. `make bench` runs all."""
