"""A ROS 2 node around an artifact: images in, label images out. Part of what a board needs.

Only `node` and `publishers` need a ROS installation; encodings and synchronisation also serve recordings
(`--source bag:FILE`).
"""
