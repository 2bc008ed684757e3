"""What the API answers to, one module per noun."""
