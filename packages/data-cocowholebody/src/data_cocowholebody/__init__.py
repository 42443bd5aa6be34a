"""COCO-WholeBody: people with 133 keypoints of body, feet, face and hands, and how they are evaluated."""

__version__ = "0.2.0"
