"""Run an artifact on frames and write what it sees; see `deploy/demo`."""

from ..demo import command

__doc__ = command.__doc__
SUMMARY = "run an artifact on rooms or on frames and write pictures"
add_arguments, run = command.add_arguments, command.run
