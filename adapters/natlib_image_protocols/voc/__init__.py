"""Data sets in the format of Pascal VOC: source, classification and detection."""
