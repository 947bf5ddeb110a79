"""How fast it is, beside what somebody would use instead: `make bench`, docs/performance.md."""
