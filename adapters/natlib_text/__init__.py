"""Text as a modality of natlib."""
