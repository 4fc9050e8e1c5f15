"""The pages of results and what a trained net shows."""
