"""What a run stands on: processes, progress, interruption, storage, memory."""
