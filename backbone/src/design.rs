//! Which network: MobileOne by its specification, or one of another publication by its name.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};
use tch::{Device, nn};

use crate::{
    checkpoint::{Policy, load_into, variables},
    cost::{Cost, CostRow},
    error::Error,
    features::Backbone,
    form::StateDict,
    network::MobileOne,
    published::{Architecture, Setup},
    spec::{MAX_INPUTS, OutputStride, RGB, Spec, Variant, is_rgb, rgb},
};

/// What a network is built from. Written as a [`Spec`], or as `{ name: efficientnet_b0 }`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(untagged)]
pub enum Design {
    /// MobileOne.
    MobileOne(Spec),
    /// A network of another publication.
    Published(Published),
}

/// A network of another publication for images of these channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Its name.
    pub name: Architecture,
    /// Channels of the images: 3 for color, 1 for grey.
    #[serde(default = "rgb", skip_serializing_if = "is_rgb")]
    #[schemars(range(min = 1, max = MAX_INPUTS))]
    pub in_channels: i64,
}

impl<'de> Deserialize<'de> for Design {
    /// A `name` decides which of the two it is, so that an error is about the values of the one that is meant.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let read = match value.get("name") {
            Some(_) => serde_json::from_value(value).map(Self::Published),
            None => serde_json::from_value(value).map(Self::MobileOne),
        };
        read.map_err(de::Error::custom)
    }
}

impl Design {
    /// Channels of the images.
    pub fn in_channels(&self) -> i64 {
        match self {
            Self::MobileOne(spec) => spec.in_channels,
            Self::Published(published) => published.in_channels,
        }
    }

    /// The name of a published network, in configurations and metadata: `s0`, `efficientnet_b0`.
    pub fn name(&self) -> Option<&'static str> {
        match self {
            Self::MobileOne(spec) => spec.variant().map(|variant| variant.name()),
            Self::Published(published) => Some(published.name.name()),
        }
    }

    /// The published network of that name: `s0`, `efficientnet_b0`.
    pub fn named(name: &str) -> Option<Self> {
        let variant = name.parse::<Variant>().ok().map(|variant| Spec::from(variant).into());
        variant.or_else(|| Architecture::ALL.into_iter().find(|known| known.name() == name).map(Self::from))
    }

    /// The name in texts: `MobileOne-S0`, `EfficientNet-B0`; `MobileOne` for a specification of one's own.
    pub fn title(&self) -> String {
        match self {
            Self::MobileOne(spec) => spec.variant().map_or_else(
                || "MobileOne".to_owned(),
                |variant| format!("MobileOne-{}", variant.name().to_uppercase()),
            ),
            Self::Published(published) => published.name.title().to_owned(),
        }
    }

    /// The specification of a MobileOne.
    pub fn mobileone(&self) -> Option<&Spec> {
        match self {
            Self::MobileOne(spec) => Some(spec),
            Self::Published(_) => None,
        }
    }

    /// The output strides that the network can be built with.
    pub fn output_strides(&self) -> &'static [OutputStride] {
        match self {
            Self::MobileOne(_) => &OutputStride::ALL,
            Self::Published(published) => published.name.output_strides(),
        }
    }

    /// The start of the keys of the layer that reads the images.
    pub fn stem(&self) -> &'static str {
        match self {
            Self::MobileOne(_) => "stage0.",
            Self::Published(published) => published.name.stem(),
        }
    }

    /// Whether a key below the network's path belongs to layers that only a classifier reads.
    pub fn is_tail(&self, name: &str) -> bool {
        let tail = match self {
            Self::MobileOne(_) => &[],
            Self::Published(published) => published.name.tail(),
        };
        tail.iter().any(|layer| name.strip_prefix(layer).is_some_and(|rest| rest.starts_with('.')))
    }

    /// Registers the network's tensors under `path`.
    pub fn build(&self, path: &nn::Path, setup: Setup) -> Box<dyn Backbone> {
        match self {
            Self::MobileOne(spec) => {
                let mut network = MobileOne::new(path, spec, setup.form, setup.output_stride);
                network.set_train_forward(setup.train_forward);
                Box::new(network)
            }
            Self::Published(published) => published.name.build(path, published.in_channels, setup),
        }
    }

    /// A network with these weights, named as at the root; they are frozen, in fp32 on the CPU.
    ///
    /// # Errors
    /// [`Error::OtherForm`] and [`Error::Incompatible`] where the tensors are not exactly those of the network.
    pub fn with_weights(&self, setup: Setup, tensors: &StateDict) -> Result<Box<dyn Backbone>, Error> {
        let mut store = nn::VarStore::new(Device::Cpu);
        let network = self.build(&store.root(), setup);
        store.freeze();
        load_into(&variables(&store, ""), tensors, Policy::Exact)?;
        Ok(network)
    }

    /// The cost of the network for an image of `size` (height, width), under a classifier of so many classes where they are given.
    pub fn cost(&self, setup: Setup, size: [i64; 2], classes: Option<i64>) -> Cost {
        let store = nn::VarStore::new(Device::Cpu);
        let network = self.build(&store.root(), setup);
        let mut cost = network.cost(size);
        let [.., channels] = network.channels();
        cost.rows.extend(classes.map(|classes| CostRow::linear(channels, classes)));
        cost
    }
}

impl From<Spec> for Design {
    fn from(spec: Spec) -> Self {
        Self::MobileOne(spec)
    }
}

impl From<Architecture> for Design {
    fn from(name: Architecture) -> Self {
        Self::Published(Published { name, in_channels: RGB })
    }
}
