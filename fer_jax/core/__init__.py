"""What every room above shares: protocols, the state that is trained, optimisers, metrics, labels, errors."""
