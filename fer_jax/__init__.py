"""fer_jax: facial-expression recognition, editing and generation in JAX."""
