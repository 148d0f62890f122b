//! `--device`: what the user names, what this build and this machine have.

use crate::args::{ComputeArgs, DtypeName};
use anyhow::{Result, anyhow, bail};
use burn::tensor::{Device, FloatDType};
use std::str::FromStr;

/// What the user asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeviceChoice {
    Auto,
    Cpu,
    Cuda(Option<usize>),
    Wgpu(Option<usize>),
}

impl FromStr for DeviceChoice {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("expected auto, cpu, cuda, cuda:N, wgpu or wgpu:N, found {text:?}");
        let (kind, index) = match text.split_once(':') {
            Some((kind, index)) => (kind, Some(index.parse().map_err(|_| expected())?)),
            None => (text, None),
        };
        match (kind, index) {
            ("auto", None) => Ok(Self::Auto),
            ("cpu", None) => Ok(Self::Cpu),
            ("cuda", index) => Ok(Self::Cuda(index)),
            ("wgpu", index) => Ok(Self::Wgpu(index)),
            _ => Err(expected()),
        }
    }
}

/// A device and what to call it.
#[derive(Debug, Clone)]
pub(crate) struct Chosen {
    pub(crate) device: Device,
    pub(crate) name: String,
}

impl DeviceChoice {
    /// Finds the device; `auto` takes a CUDA card, then a WGPU card that is no CPU, then the CPU.
    pub(crate) fn open(self) -> Result<Chosen> {
        match self {
            Self::Cpu => Ok(cpu()),
            Self::Cuda(index) => pick("cuda", cuda(), index),
            Self::Wgpu(index) => pick("wgpu", wgpu(), index),
            Self::Auto => {
                let first = |kind, found: Option<Vec<Device>>| pick(kind, found, None).ok();
                Ok(first("cuda", cuda()).or_else(|| first("wgpu", wgpu())).unwrap_or_else(cpu))
            }
        }
    }
}

impl ComputeArgs {
    /// Finds the device and makes the numbers of `--dtype` its own. Before any tensor is made.
    pub(crate) fn open(&self) -> Result<Chosen> {
        let mut chosen = self.device.device.open()?;
        let (dtype, name) = match self.dtype {
            DtypeName::F32 => return Ok(chosen),
            DtypeName::Bf16 => (FloatDType::BF16, "bf16"),
            DtypeName::F16 => (FloatDType::F16, "f16"),
        };
        if !chosen.device.supports_dtype(dtype) {
            bail!("--dtype {name}: the device {} does not compute in it; use --dtype f32", chosen.name);
        }
        let refused = |error| anyhow!("--dtype {name}: the device {} refuses it: {error}", chosen.name);
        chosen.device.configure(dtype).map_err(refused)?;
        Ok(chosen)
    }
}

fn cpu() -> Chosen {
    Chosen { device: Device::flex(), name: "cpu".to_owned() }
}

fn pick(kind: &str, found: Option<Vec<Device>>, index: Option<usize>) -> Result<Chosen> {
    let Some(found) = found else {
        bail!("--device {kind}: this build has no {kind}; build it with --features {kind}, or use --device cpu");
    };
    let at = index.unwrap_or(0);
    match found.get(at) {
        Some(device) => Ok(Chosen { device: device.clone(), name: format!("{kind}:{at}") }),
        None if found.is_empty() => bail!("--device {kind}: no such device on this machine; use --device cpu"),
        None => bail!("--device {kind}:{at}: only {} {kind} device(s) on this machine, counted from 0", found.len()),
    }
}

/// CUDA cards; `None` if this build cannot use any.
pub(crate) fn cuda() -> Option<Vec<Device>> {
    #[cfg(feature = "cuda")]
    {
        Some(Device::enumerate(burn::tensor::DeviceType::Cuda).into_vec())
    }
    #[cfg(not(feature = "cuda"))]
    None
}

/// WGPU adapters; `None` if this build cannot use any.
pub(crate) fn wgpu() -> Option<Vec<Device>> {
    #[cfg(feature = "wgpu")]
    {
        Some(Device::enumerate(burn::tensor::DeviceType::Wgpu).into_vec())
    }
    #[cfg(not(feature = "wgpu"))]
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_devices() {
        assert_eq!("cuda:2".parse(), Ok(DeviceChoice::Cuda(Some(2))));
        assert_eq!("wgpu".parse(), Ok(DeviceChoice::Wgpu(None)));
        assert_eq!("auto".parse(), Ok(DeviceChoice::Auto));
        for bad in ["", "gpu", "cuda:", "cuda:x", "cpu:0", "cuda:-1"] {
            assert!(bad.parse::<DeviceChoice>().unwrap_err().contains("expected auto"), "{bad}");
        }
    }
}
