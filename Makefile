# Each target is one script or a few lines; the scripts say what they do at their top.
# CARGO_TARGET_DIR and DRYDOCK_DATA_DIR are honoured.

.PHONY: up down build image test faults fmt lint bench

up:
	@installer/setup.sh build run
	@installer/build.sh
	@appliance/images/build.sh
	@installer/up.sh

down:
	@installer/down.sh

build:
	@installer/setup.sh build
	@installer/build.sh

image:
	@installer/setup.sh run
	@appliance/images/build.sh

test:
	@tests/run.sh

faults:
	@tests/faults.sh

fmt:
	@cargo fmt --all

lint:
	@installer/setup.sh build lint
	@tests/lint.sh

bench:
	@installer/setup.sh build run test bench
	@installer/build.sh
	@appliance/images/build.sh
	@tests/bench/run.sh
