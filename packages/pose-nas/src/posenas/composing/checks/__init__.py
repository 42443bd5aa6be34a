"""Whether components keep the contract's word and fit each other, before anything is trained."""
