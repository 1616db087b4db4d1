"""Sets in the format of Pascal VOC: reading them, classification and detection."""
