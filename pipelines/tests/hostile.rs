//! Configurations made to do harm.

#[path = "../../fuzz/src/corpus.rs"]
mod corpus;
#[path = "../../fuzz/src/memory.rs"]
mod memory;
#[path = "../../fuzz/src/config.rs"]
mod promises;

#[test]
fn the_corpus_is_read_as_promised() {
    assert_eq!(corpus::refused("config", promises::config), ["aliases.yaml", "overridden.yaml"]);
}
