//! Damaged and malicious files: errors, and the process goes on.

#[path = "../../fuzz/src/corpus.rs"]
mod corpus;
#[path = "../../fuzz/src/memory.rs"]
mod memory;
#[path = "../../fuzz/src/exported.rs"]
mod promises;

#[test]
fn the_corpus_is_read_as_promised() {
    assert_eq!(corpus::refused("litert", promises::litert), ["exception.tflite", "large.tflite", "padded.tflite"]);
    assert_eq!(corpus::refused("coreml", promises::coreml), ["cut.package"]);
}
