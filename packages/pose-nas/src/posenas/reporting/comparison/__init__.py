"""What a search's result is worth: against chance, against stand-alone training, over seeds."""
