"""The parts of scripts/bench: see docs/performance.md."""
