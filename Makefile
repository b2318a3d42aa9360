# Each target installs what it needs first; tools/setup does nothing where nothing is missing.

PIPELINE = target/release/pipeline

.PHONY: help setup build demo test lint audit bench bundle

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 15

setup: ## install OpenCV and clang (apt), libtorch (.libtorch/), ONNX Runtime (.onnxruntime/), LiteRT (.litert/)
	@tools/setup

build: setup ## build the program: target/release/pipeline
	cargo build --release --locked -p pipelines

demo: build ## train a small network for each task on synthetic data, compare them, draw predictions
	$(PIPELINE) data shapes data/shapes
	rm -rf runs/demo
	$(PIPELINE) train shapes/detect.yaml --output runs/demo
	$(PIPELINE) train shapes/classify.yaml --output runs/demo
	$(PIPELINE) train shapes/segment.yaml --output runs/demo
	$(PIPELINE) predict runs/demo/detect data/shapes/JPEGImages/00040[1-9].jpg -o runs/demo/predictions/detect --threshold 0.5
	$(PIPELINE) predict runs/demo/segment data/shapes/JPEGImages/00040[1-9].jpg -o runs/demo/predictions/segment
	$(PIPELINE) report runs/demo/classify runs/demo/detect runs/demo/segment

test: lint ## run lints and all tests but the long ones
	tools/test

lint: setup ## check formatting, who uses whom, and clippy
	cargo fmt --all --check
	tools/architecture
	cargo clippy --workspace --all-targets --locked -- -D warnings

audit: ## check licences, sources, duplicates and advisories of the dependencies
	tools/audit

bench: build ## compare with other programs in one run; the table is kept in docs/benchmarks/
	tools/python
	.venv/bin/python benchmarks/run.py

bundle: build ## put the program and every library that it needs into one folder and archive
	tools/bundle
