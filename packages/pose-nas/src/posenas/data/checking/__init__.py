"""What is wrong with a dataset, told before it is trained on."""
