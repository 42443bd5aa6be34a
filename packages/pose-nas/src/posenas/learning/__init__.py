"""The training loop, its optimisers and steps; and the prediction of a split."""
