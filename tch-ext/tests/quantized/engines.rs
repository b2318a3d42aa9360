//! The choice of an engine, and where its sums are cut.

use tch_ext::{
    Error,
    quantized::{Engine, Saturation, engine, saturates, set_engine, supported_engines},
    system::processor,
};

use crate::fake::engine_lock;

const ALL: [Engine; 4] = [Engine::Qnnpack, Engine::Fbgemm, Engine::Onednn, Engine::X86];

#[test]
fn a_supported_engine_is_set_and_others_are_errors_that_list_the_supported() {
    let _lock = engine_lock();
    let supported = supported_engines();
    let initial = engine().unwrap();
    assert!(supported.contains(&initial));
    for each in ALL {
        match set_engine(each) {
            Ok(()) => assert!(supported.contains(&each) && engine() == Some(each)),
            Err(error) => {
                assert!(matches!(error, Error::Engine { .. }) && !supported.contains(&each), "{error}");
                assert!(error.to_string().contains(supported[0].name()), "{error}");
                assert_ne!(engine(), Some(each));
            }
        }
    }
    set_engine(initial).unwrap();
}

#[test]
fn names_are_those_of_torch_backends_quantized() {
    assert_eq!(ALL.map(|engine| engine.to_string()), ["qnnpack", "fbgemm", "onednn", "x86"]);
    let error = Error::Engine { engine: Engine::X86, supported: vec![Engine::Qnnpack, Engine::Onednn] };
    assert_eq!(error.to_string(), "there is no quantised engine x86 here (there is: qnnpack, onednn)");
}

#[test]
fn engines_saturate_as_their_documentation_says() {
    let _lock = engine_lock();
    for engine in supported_engines() {
        set_engine(engine).unwrap();
        let found = saturates().unwrap();
        if engine == Engine::Qnnpack {
            assert_eq!(found, Saturation { dense: false, depthwise: false });
        }
        if matches!(engine, Engine::Fbgemm | Engine::X86) {
            assert!(found.depthwise, "{engine}");
        }
        if has_vnni() {
            assert!(!found.dense, "{engine}");
        }
    }
}

/// Whether the processor has it and no variable keeps engines from using it.
fn has_vnni() -> bool {
    let limited = ["FBGEMM_ENABLE_INSTRUCTIONS", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"];
    limited.iter().all(|variable| std::env::var_os(variable).is_none())
        && processor().unwrap().features.contains("avx512_vnni")
}
