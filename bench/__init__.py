"""Benchmarks of Carillon and of the alternatives: `make bench`. The results are in docs/performance.md."""
