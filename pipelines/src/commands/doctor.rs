//! `pipeline doctor`: what is here, what is used, and what is missing with the command that mends it.

use serde::Serialize;
use tch::{Cuda, Device};
use tch_ext::{cuda, system};

use crate::cli::DoctorArgs;
use crate::console::{self, Table};
use crate::failure::Failure;
use crate::report;
use crate::run::{Environment, cpu_name};

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    what: &'static str,
    found: String,
    mend: Option<String>,
}

pub(super) fn run(args: &DoctorArgs) -> Result<(), Failure> {
    let findings = look();
    if args.json {
        console::data(&report::json(&findings)?)?;
    } else {
        let mut table = Table::new("", &["what", "found"]);
        table.rows = findings.iter().map(|finding| vec![finding.what.to_owned(), finding.found.clone()]).collect();
        console::data(&table.render())?;
        for finding in &findings {
            if let Some(mend) = &finding.mend {
                console::warning(format!("{}: {mend}", finding.what));
            }
        }
    }
    Ok(())
}

fn look() -> Vec<Finding> {
    let well = |what, found: String| Finding { what, found, mend: None };
    let library = cuda::load();
    let environment = Environment::now(Device::Cpu, 0);
    let features = match system::processor() {
        Ok(processor) => processor.features.into_iter().collect::<Vec<_>>().join(" "),
        Err(error) => format!("not known: {error}"),
    };
    let mut findings = vec![
        well("pipeline", env!("CARGO_PKG_VERSION").to_owned()),
        well("libtorch", environment.libtorch),
        well(
            "libtorch folder",
            system::library_folder().map_or_else(|| "not known".to_owned(), |folder| folder.display().to_string()),
        ),
        well("OpenCV", datasets::image::opencv_version()),
        well("processor", cpu_name()),
        well("processor features", features),
        well("libtorch uses", environment.cpu_capability),
        well("threads", environment.threads.to_string()),
    ];
    findings.push(match &library {
        Ok(cuda::CudaLibrary::Linked) => well("CUDA library", "linked".to_owned()),
        Ok(cuda::CudaLibrary::Loaded(path)) => well("CUDA library", path.display().to_string()),
        Ok(cuda::CudaLibrary::Absent) => well("CUDA library", "none beside the CPU library".to_owned()),
        Err(error) => Finding {
            what: "CUDA library",
            found: "cannot be loaded".to_owned(),
            mend: Some(format!("{error}; build with LIBTORCH naming a whole CUDA build of libtorch 2.11")),
        },
    });
    let devices = if Cuda::is_available() { Cuda::device_count() } else { 0 };
    let driver = std::path::Path::new("/proc/driver/nvidia/version").exists();
    findings.push(Finding {
        what: "CUDA devices",
        found: devices.to_string(),
        mend: (driver && devices == 0).then(|| {
            "an NVIDIA driver is here but no device is used; build with LIBTORCH naming a CUDA build of libtorch 2.11"
                .to_owned()
        }),
    });
    findings
}
