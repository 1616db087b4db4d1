"""What solvers cost and what they find, measured on this machine."""
