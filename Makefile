# Each target installs what it needs first (tools/setup does nothing where nothing is missing).

PIPELINE = target/release/pipeline

.PHONY: setup build demo test lint bench bundle

setup:
	@tools/setup

build: setup
	cargo build --release --locked -p pipelines

# Writes a synthetic data set, trains a small network for each task on it, and lays the three side by side.
demo: build
	$(PIPELINE) data shapes data/shapes
	rm -rf runs/demo
	$(PIPELINE) train shapes/detect.yaml --output runs/demo
	$(PIPELINE) train shapes/classify.yaml --output runs/demo
	$(PIPELINE) train shapes/segment.yaml --output runs/demo
	$(PIPELINE) report runs/demo/classify runs/demo/detect runs/demo/segment

lint: setup
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

test: lint
	tools/test

# This program beside its peers, in one run.
bench: build
	tools/python
	.venv/bin/python benchmarks/coco_eval/run.py
	.venv/bin/python benchmarks/latency/run.py

# The program with every library that it needs, for machines where nothing can be installed.
bundle: build
	tools/bundle
