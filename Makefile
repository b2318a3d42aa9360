# Each target installs what it needs first (tools/setup does nothing where nothing is missing).

PIPELINE = target/release/pipeline

.PHONY: setup build demo test lint

setup:
	@tools/setup

build: setup
	cargo build --release --locked -p pipelines

# Writes a synthetic data set, trains a small detector on it and prints the COCO table.
demo: build
	$(PIPELINE) data shapes data/shapes
	$(PIPELINE) train shapes.yaml

lint: setup
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

test: lint
	tools/test
