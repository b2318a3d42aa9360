//! `pipeline doctor`: versions, devices and libraries, and how to get what is missing.

mod distributed;

use formats::{litert, onnx};
use front::cli::DoctorArgs;
use serde::Serialize;
use tch::{Cuda, Device};
use tch_ext::{cuda, system};

use crate::console::{self, Table};
use crate::failure::Failure;
use crate::report;
use crate::run::{Environment, cpu_name};

/// A component of the program or machine.
#[derive(Debug, Serialize)]
struct Finding {
    what: &'static str,
    found: String,
    fix: Option<String>,
}

pub(super) fn run(args: &DoctorArgs) -> Result<(), Failure> {
    if args.distributed {
        return distributed::run(args);
    }
    args.start.only_with("--distributed")?;
    let findings = findings();
    if args.json {
        console::data(&report::json(&findings)?)?;
    } else {
        let mut table = Table::new("", &["what", "found"]);
        table.rows = findings.iter().map(|finding| vec![finding.what.to_owned(), finding.found.clone()]).collect();
        console::data(&table.render())?;
        for finding in &findings {
            if let Some(fix) = &finding.fix {
                console::warning(format!("{}: {fix}", finding.what));
            }
        }
    }
    Ok(())
}

fn findings() -> Vec<Finding> {
    let present = |what, found: String| Finding { what, found, fix: None };
    let library = cuda::load();
    let environment = Environment::now(Device::Cpu, 0);
    let features = match system::processor() {
        Ok(processor) => processor.features.into_iter().collect::<Vec<_>>().join(" "),
        Err(error) => format!("unknown: {error}"),
    };
    let mut findings = vec![
        present("pipeline", front::VERSION.to_owned()),
        present("libtorch", environment.libtorch),
        present(
            "libtorch folder",
            system::library_folder().map_or_else(|| "unknown".to_owned(), |folder| folder.display().to_string()),
        ),
        present("OpenCV", datasets::image::opencv_version()),
        present("processor", cpu_name()),
        present("processor features", features),
        present("libtorch uses", environment.cpu_capability),
        present("threads", environment.threads.to_string()),
    ];
    findings.push(match &library {
        Ok(cuda::CudaLibrary::Linked) => present("CUDA library", "linked".to_owned()),
        Ok(cuda::CudaLibrary::Loaded(path)) => present("CUDA library", path.display().to_string()),
        Ok(cuda::CudaLibrary::Absent) => present("CUDA library", "none beside the CPU library".to_owned()),
        Err(error) => Finding {
            what: "CUDA library",
            found: "cannot be loaded".to_owned(),
            fix: Some(format!("{error}; build with LIBTORCH naming a complete CUDA build of libtorch 2.11")),
        },
    });
    let mut runtime = |name: &'static str, library: Result<String, formats::Error>| {
        findings.push(match library {
            Ok(found) => present(name, found),
            Err(error) => {
                let failure = Failure::from(error);
                let fix = failure.next_step().map(str::to_owned);
                Finding { what: name, found: failure.to_string(), fix }
            }
        });
    };
    let onnx = onnx::Library::load();
    runtime("ONNX Runtime", onnx.map(|library| format!("{}, {}", library.version, library.path.display())));
    runtime("LiteRT", litert::Library::load().map(|library| library.path.display().to_string()));
    let devices = if Cuda::is_available() { Cuda::device_count() } else { 0 };
    let driver = std::path::Path::new("/proc/driver/nvidia/version").exists();
    findings.push(Finding {
        what: "CUDA devices",
        found: devices.to_string(),
        fix: (driver && devices == 0).then(|| {
            "there is an NVIDIA driver, but no device is used; build with LIBTORCH naming a CUDA build of libtorch 2.11"
                .to_owned()
        }),
    });
    findings
}
