"""Random configurations and damaged runs: whatever is wrong ends in one line."""
