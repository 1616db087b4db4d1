"""The arithmetic of the solvers; nothing here is part of the public interface."""
