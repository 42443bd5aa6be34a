"""COCO-WholeBody's annotations as datasets: whole bodies, faces alone and hands alone."""
