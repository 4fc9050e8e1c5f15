"""Commands that unpack and check downloaded data sets: `python -m recipes.prepare.NAME`."""
