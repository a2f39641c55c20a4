"""What Lakelet claims about speed, measured beside its rivals. `python -m benchmarks` runs it; nothing of the product imports it."""
