"""The demo: frames from a source, through an artifact, into pictures. Part of what a board
needs.
"""
