use anyhow::Result;
use clap::Args;
use fibinet::nn::backend::{
    AdapterInfo, AdapterKind, Backend, CpuInfo, DeviceInfo, Hardware, MatrixUnit, devices,
    keep_compiled_kernels,
};
use serde_json::json;

use crate::cli::args::DeviceArgs;
use crate::cli::output::{JsonArgs, Printer, Report};

/// List the devices that this program can compute on, by the names that --device takes
///
/// Example: fibinet devices
#[derive(Debug, Args)]
pub(crate) struct DevicesArgs {
    #[command(flatten)]
    json: JsonArgs,
}

impl DevicesArgs {
    pub(crate) fn check(self) -> DevicesJob {
        DevicesJob {
            printer: self.json.printer(),
        }
    }
}

/// What `devices` does, checked.
pub(crate) struct DevicesJob {
    printer: Printer,
}

impl DevicesJob {
    pub(crate) fn run(self) -> Result<()> {
        keep_compiled_kernels();
        let default = DeviceArgs::default_name();
        self.printer.print(&Listing {
            devices: devices(),
            // A wrong BURN_DEVICE is an error of the commands that use it.
            default: default.ok().map(|name| name.listed().to_string()),
        })
    }
}

struct Listing {
    devices: Vec<DeviceInfo>,
    /// The device of commands without `--device`, by its name in the list.
    default: Option<String>,
}

impl Listing {
    /// The lines of a device: what is shown, and its value.
    fn facts(&self, device: &DeviceInfo) -> Vec<(&'static str, String)> {
        let mut name = device.name.clone();
        if self.default.as_deref() == Some(&name) {
            name += " (default)";
        }
        let mut facts = vec![("device", name), ("backend", device.backend.to_owned())];
        match &device.hardware {
            Hardware::Cpu(cpu) => facts.extend(cpu_facts(cpu)),
            Hardware::Adapter {
                kind,
                kernels,
                info,
            } => facts.extend(adapter_facts(*kind, *kernels, info)),
            Hardware::Unusable { error } => facts.push(("cannot be used", error.clone())),
        }
        facts
    }
}

impl Report for Listing {
    fn text(&self) -> String {
        let device_text = |device: &DeviceInfo| {
            let facts = self.facts(device).into_iter();
            let lines = facts.map(|(name, value)| format!("{name:<24} {value}"));
            lines.collect::<Vec<_>>().join("\n")
        };
        let mut parts: Vec<String> = self.devices.iter().map(device_text).collect();
        if Backend::compiled().all(Backend::is_cpu) {
            parts.push(
                "This program was built without GPU backends. `--features vulkan` adds NVIDIA, AMD and Intel \
                 GPUs,\n`metal` Apple's, and `wgpu` all of them without SPIR-V; `cuda` needs NVIDIA's toolkit."
                    .to_owned(),
            );
        }
        parts.join("\n\n")
    }

    fn json(&self) -> serde_json::Result<String> {
        let not_compiled: Vec<&str> = Backend::not_compiled().map(Backend::name).collect();
        let report = json!({
            "devices": serde_json::to_value(&self.devices)?,
            "default": self.default,
            "not_compiled_in": not_compiled,
        });
        Ok(report.to_string())
    }
}

fn cpu_facts(cpu: &CpuInfo) -> Vec<(&'static str, String)> {
    vec![
        ("kind", "CPU".to_owned()),
        ("threads", cpu.threads.to_string()),
        ("vector instructions", cpu.simd.to_owned()),
        ("fibinet's kernels", yes_or_no(cpu.kernels)),
    ]
}

fn adapter_facts(
    kind: AdapterKind,
    kernels: bool,
    info: &AdapterInfo,
) -> Vec<(&'static str, String)> {
    let not_reported = || "not reported".to_owned();
    let limits = &info.limits;
    let [x, y, z] = limits.workgroups;
    let [least, most] = limits.plane_sizes;
    let binding = bytes(limits.binding_bytes);
    let shared = bytes(limits.workgroup_memory_bytes as u64);
    let threads = limits.workgroup_threads;
    vec![
        ("adapter", info.adapter.clone()),
        ("driver", info.driver.clone().unwrap_or_else(not_reported)),
        ("kind", kind_text(kind).to_owned()),
        ("compiler", info.compiler.clone()),
        ("fibinet's kernels", yes_or_no(kernels)),
        ("memory", info.memory_bytes.map_or_else(not_reported, bytes)),
        (
            "buffers of a kernel",
            format!("{}, of up to {binding} each", limits.bindings),
        ),
        ("workgroups of a kernel", format!("up to {x} x {y} x {z}")),
        (
            "a workgroup",
            format!("up to {threads} threads, {shared} of shared memory"),
        ),
        ("threads in step", format!("{least} to {most}")),
        ("matrix units", matrix_units_text(&info.matrix_units)),
    ]
}

fn kind_text(kind: AdapterKind) -> &'static str {
    match kind {
        AdapterKind::Discrete => "discrete GPU",
        AdapterKind::Integrated => "integrated GPU",
        AdapterKind::Virtual => "virtual GPU",
        AdapterKind::Software => "software, on the CPU",
        AdapterKind::Other => "other",
    }
}

/// The types of products, each once: `f16 x f16 + f32 (cmma)`.
fn matrix_units_text(units: &[MatrixUnit]) -> String {
    let types = units.iter().map(|unit| {
        let MatrixUnit {
            interface,
            left,
            right,
            sum,
            ..
        } = unit;
        format!("{left} x {right} + {sum} ({interface})")
    });
    let mut types: Vec<String> = types.collect();
    types.sort_unstable();
    types.dedup();
    if types.is_empty() {
        return "none".to_owned();
    }
    types.join(", ")
}

fn yes_or_no(value: bool) -> String {
    if value { "yes" } else { "no" }.to_owned()
}

fn bytes(bytes: u64) -> String {
    let (bytes, kib) = (bytes as f64, 1024.0);
    let gib = kib * kib * kib;
    if bytes >= gib {
        format!("{:.1} GiB", bytes / gib)
    } else if bytes >= kib * kib {
        format!("{:.1} MiB", bytes / (kib * kib))
    } else {
        format!("{:.1} KiB", bytes / kib)
    }
}
