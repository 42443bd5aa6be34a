"""Files in COCO's format."""
