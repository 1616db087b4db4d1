"""Protocols for images: Pascal VOC, and linear probes on frozen layers as for ImageNet."""
