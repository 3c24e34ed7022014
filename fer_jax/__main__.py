"""`python -m fer_jax`: the console command."""

from fer_jax.cli.app import main

main()
