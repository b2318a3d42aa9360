//! The published files of MobileOne's classifiers, trained on ImageNet-1k.

use std::fmt;

/// The form that a network's weights are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// With all branches.
    Train,
    /// One convolution for each block.
    Deploy,
}

impl fmt::Display for Form {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Train => "train",
            Self::Deploy => "deploy",
        })
    }
}

/// A published file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// What to call it by.
    pub name: &'static str,
    /// `s0` to `s4`.
    pub variant: &'static str,
    /// The form of the weights.
    pub form: Form,
    /// Trainable parameters, the classifier for 1000 classes among them.
    pub parameters: u64,
    /// Where it is, if not in the hub's repository of its name.
    pub address: Option<&'static str>,
}

const fn timm(name: &'static str, variant: &'static str, parameters: u64) -> Published {
    Published { name, variant, form: Form::Train, parameters, address: None }
}

const fn apple(
    name: &'static str,
    variant: &'static str,
    form: Form,
    parameters: u64,
    address: &'static str,
) -> Published {
    Published { name, variant, form, parameters, address: Some(address) }
}

/// An address below Apple's folder.
macro_rules! at_apple {
    ($file:literal) => {
        concat!("https://docs-assets.developer.apple.com/ml-research/datasets/mobileone/", $file)
    };
}

/// All of them. timm's files are Apple's in train form, with other names for the tensors.
pub const PUBLISHED: [Published; 15] = [
    timm("timm/mobileone_s0.apple_in1k", "s0", 5_293_272),
    timm("timm/mobileone_s1.apple_in1k", "s1", 4_825_192),
    timm("timm/mobileone_s2.apple_in1k", "s2", 7_884_648),
    timm("timm/mobileone_s3.apple_in1k", "s3", 10_170_600),
    timm("timm/mobileone_s4.apple_in1k", "s4", 14_951_248),
    apple("apple/mobileone_s0", "s0", Form::Deploy, 2_078_504, at_apple!("mobileone_s0.pth.tar")),
    apple("apple/mobileone_s1", "s1", Form::Deploy, 4_764_840, at_apple!("mobileone_s1.pth.tar")),
    apple("apple/mobileone_s2", "s2", Form::Deploy, 7_808_168, at_apple!("mobileone_s2.pth.tar")),
    apple("apple/mobileone_s3", "s3", Form::Deploy, 10_078_312, at_apple!("mobileone_s3.pth.tar")),
    apple("apple/mobileone_s4", "s4", Form::Deploy, 14_838_352, at_apple!("mobileone_s4.pth.tar")),
    apple("apple/mobileone_s0_unfused", "s0", Form::Train, 5_293_272, at_apple!("mobileone_s0_unfused.pth.tar")),
    apple("apple/mobileone_s1_unfused", "s1", Form::Train, 4_825_192, at_apple!("mobileone_s1_unfused.pth.tar")),
    apple("apple/mobileone_s2_unfused", "s2", Form::Train, 7_884_648, at_apple!("mobileone_s2_unfused.pth.tar")),
    apple("apple/mobileone_s3_unfused", "s3", Form::Train, 10_170_600, at_apple!("mobileone_s3_unfused.pth.tar")),
    apple("apple/mobileone_s4_unfused", "s4", Form::Train, 14_951_248, at_apple!("mobileone_s4_unfused.pth.tar")),
];

/// The published file of that name.
pub fn published(name: &str) -> Option<&'static Published> {
    PUBLISHED.iter().find(|file| file.name == name)
}
