"""The channel graph: what freezing works on, between the trained Keras model and the plain one."""
