"""Sound as a modality of natlib."""
