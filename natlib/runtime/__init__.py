"""Processes, threads, progress, interruption, storage and memory."""
