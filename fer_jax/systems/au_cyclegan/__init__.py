"""The face editor conditioned on action units: WGAN-GP with reconstruction."""
