"""The 2017 paper's evaluation on ImageNet, for any folder like it: random crops, ten crops."""
