"""What the report shows of searches with a controller and with Gumbel-softmax."""
