"""Layers: the building blocks that hand-made and searched backbones share."""
