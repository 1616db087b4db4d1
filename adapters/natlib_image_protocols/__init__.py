"""Protocols for images: Pascal VOC, and the 2017 paper's evaluation on ImageNet."""
