"""The training frame: state, optimisers, sharding, checkpoints and the loop. Knows a System by its protocol only."""
