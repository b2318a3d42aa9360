//! What libtorch says about itself and this machine, and CUDA by its library.

use std::num::NonZeroUsize;

use tch_ext::{
    Error,
    cuda::{self, CudaLibrary},
    system,
};

#[test]
fn the_version_is_the_one_that_tch_is_made_for() {
    assert_eq!(system::libtorch_version(), "2.11.0");
}

#[test]
#[cfg(target_arch = "x86_64")]
fn the_processor_has_the_features_that_the_standard_library_finds() {
    let processor = system::processor().unwrap();
    assert!(!processor.name.is_empty());
    assert!(processor.physical_cores.is_some_and(|cores| cores >= 1));
    let has = |feature| processor.features.contains(feature);
    assert_eq!(has("avx2"), is_x86_feature_detected!("avx2"));
    assert_eq!(has("avx512_f"), is_x86_feature_detected!("avx512f"));
    assert_eq!(has("avx512_vnni"), is_x86_feature_detected!("avx512vnni"));
    assert_eq!(has("avx512_bf16"), is_x86_feature_detected!("avx512bf16"));
}

#[test]
fn the_library_folder_contains_the_library() {
    let folder = system::library_folder().unwrap();
    assert!(folder.is_absolute());
    assert!(folder.join("libtorch_cpu.so").exists());
}

#[test]
fn threads_are_set_and_impossible_numbers_refused() {
    let before = NonZeroUsize::new(tch::get_num_threads() as usize).unwrap();
    let three = NonZeroUsize::new(3).unwrap();
    system::set_intra_op_threads(three).unwrap();
    assert_eq!(tch::get_num_threads(), 3);
    system::set_intra_op_threads(before).unwrap();

    let error = system::set_intra_op_threads(NonZeroUsize::MAX).unwrap_err();
    assert!(matches!(error, Error::Option { option: "thread count", .. }), "{error}");
}

#[test]
fn cuda_is_found_in_the_folder_of_its_library_and_loading_twice_gives_the_same() {
    let beside = system::library_folder().unwrap().join("libtorch_cuda.so");
    let library = cuda::load().unwrap();
    match &library {
        CudaLibrary::Absent => assert!(!beside.exists()),
        CudaLibrary::Loaded(path) => assert_eq!(*path, beside),
        CudaLibrary::Linked => assert!(beside.exists()),
    }
    assert_eq!(cuda::load().unwrap(), library);
    if library == CudaLibrary::Absent {
        assert!(!tch::Cuda::is_available());
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_thread_is_pinned_to_existing_processors() {
    let allowed = || std::fs::read_to_string("/proc/thread-self/status").unwrap();
    std::thread::spawn(move || {
        let list = |status: String| {
            let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
            line.unwrap().trim().to_owned()
        };
        let first: usize = list(allowed()).split([',', '-']).next().unwrap().parse().unwrap();
        system::pin_to_processors(&[first]).unwrap();
        assert_eq!(list(allowed()), first.to_string());
        for wrong in [&[][..], &[1023], &[1 << 20]] {
            assert!(matches!(system::pin_to_processors(wrong), Err(Error::Processors { .. })), "{wrong:?}");
        }
        assert_eq!(list(allowed()), first.to_string());
    })
    .join()
    .unwrap();
}
