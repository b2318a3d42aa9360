//! tch-ext
