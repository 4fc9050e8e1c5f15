"""One command for all: `cen train`, `cen export`, `cen doctor` and others, by the names of the commands that they run."""
