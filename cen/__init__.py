"""One command for all: `cen train`, `cen export`, `cen doctor` and others, by name."""
