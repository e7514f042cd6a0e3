//! libFuzzer's bytes for `drydock_tests::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let found = drydock_tests::fuzz::TARGETS.iter().find(|(name, _)| *name == "v2_invocations");
    let (_, target) = found.expect("a target of that name");
    target(data);
});
