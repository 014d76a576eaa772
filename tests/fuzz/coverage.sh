#!/bin/sh
# rustc for the crates of this workspace, with the counters by which libFuzzer sees what an input reached. Cargo runs it
# as its RUSTC_WORKSPACE_WRAPPER, so the dependencies are those of every other build: with all of them instrumented, as
# cargo-fuzz does it, the build takes five minutes instead of one. Their generic code is instrumented where it is used.
exec "$@" --cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares
