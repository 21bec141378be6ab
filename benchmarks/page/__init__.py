"""docs/BENCHMARKS.md and its figure, from what was measured, without measuring."""
