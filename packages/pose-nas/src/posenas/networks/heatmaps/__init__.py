"""Heat maps: keypoints as maps, maps as keypoints, and losses between maps."""
