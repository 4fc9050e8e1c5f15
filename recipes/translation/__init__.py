"""Recipes of image translation, one a file."""
