//! systemd.resource-control(5).

use super::super::resources;
use super::{Key, OFF, carried, noted, refused};

const ACCOUNTING: &str = "what a service uses is always counted where it can be";
const SHARE: &str = "shares of disk and processors are as for everybody";
const STARTUP: &str = "there is no separate limit while the machine starts";
const OLD: &str = "systemd replaced it";
const NETWORK: &str = "the program could reach more of the network";
const DEVICES: &str = "the program could open more devices";
const OOMD: &str = "no memory watcher runs here";
const PROTECTED: &str = "memory is protected as for everybody";
const SLICES: &str = "trees are not grouped";

pub(super) const KEYS: &[Key] = &[
    carried("MemoryMax", "process.resources.memory_max", |d, i| {
        resources::memory(d, i, |d| &mut d.spec.process.resources.memory_max)
    }),
    carried("MemoryHigh", "process.resources.memory_high", |d, i| {
        resources::memory(d, i, |d| &mut d.spec.process.resources.memory_high)
    }),
    carried("MemoryLimit", "process.resources.memory_max", |d, i| {
        resources::memory(d, i, |d| &mut d.spec.process.resources.memory_max)
    }),
    carried(
        "CPUQuota",
        "process.resources.cpu_max",
        resources::cpu_quota,
    ),
    carried(
        "CPUWeight",
        "process.resources.cpu_weight",
        resources::cpu_weight,
    ),
    carried("TasksMax", "process.resources.pids_max", resources::tasks),
    noted("CPUAccounting", ACCOUNTING),
    noted("MemoryAccounting", ACCOUNTING),
    noted("IOAccounting", ACCOUNTING),
    noted("BlockIOAccounting", ACCOUNTING),
    noted("TasksAccounting", ACCOUNTING),
    noted("IPAccounting", "traffic is not counted"),
    noted("CPUQuotaPeriodSec", "the quota is counted over 100 ms"),
    noted("StartupCPUWeight", STARTUP),
    noted("StartupCPUShares", STARTUP),
    noted("StartupIOWeight", STARTUP),
    noted("StartupBlockIOWeight", STARTUP),
    noted("StartupAllowedCPUs", STARTUP),
    noted("StartupAllowedMemoryNodes", STARTUP),
    noted("StartupMemoryLow", STARTUP),
    noted("StartupMemoryHigh", STARTUP),
    noted("StartupMemoryMax", STARTUP),
    noted("StartupMemorySwapMax", STARTUP),
    noted("StartupMemoryZSwapMax", STARTUP),
    noted("DefaultStartupMemoryLow", STARTUP),
    noted("CPUShares", OLD),
    noted("BlockIOWeight", SHARE),
    noted("BlockIODeviceWeight", SHARE),
    noted("BlockIOReadBandwidth", SHARE),
    noted("BlockIOWriteBandwidth", SHARE),
    noted("IOWeight", SHARE),
    noted("IODeviceWeight", SHARE),
    noted("IODeviceLatencyTargetSec", SHARE),
    noted("AllowedMemoryNodes", PROTECTED),
    noted("MemoryMin", PROTECTED),
    noted("MemoryLow", PROTECTED),
    noted("DefaultMemoryMin", PROTECTED),
    noted("DefaultMemoryLow", PROTECTED),
    noted("MemoryZSwapWriteback", PROTECTED),
    noted("MemoryKSM", PROTECTED),
    noted("ManagedOOMSwap", OOMD),
    noted("ManagedOOMMemoryPressure", OOMD),
    noted("ManagedOOMMemoryPressureLimit", OOMD),
    noted("ManagedOOMPreference", OOMD),
    noted(
        "MemoryPressureWatch",
        "programs are not told of memory pressure",
    ),
    noted(
        "MemoryPressureThresholdSec",
        "programs are not told of memory pressure",
    ),
    noted("Slice", SLICES),
    noted("DisableControllers", SLICES),
    refused(
        "Delegate",
        "the program could not make control groups of its own",
        OFF,
    ),
    refused(
        "DelegateSubgroup",
        "the program could not make control groups of its own",
        &[],
    ),
    refused("NetClass", "systemd dropped it", &[]),
    refused(
        "AllowedCPUs",
        "the program could use every processor; write `CPUAffinity=`",
        &[],
    ),
    refused(
        "MemorySwapMax",
        "the program could swap without bound",
        &["infinity"],
    ),
    refused(
        "MemoryZSwapMax",
        "the program could swap without bound",
        &["infinity"],
    ),
    refused(
        "IOReadBandwidthMax",
        "the program could read without bound",
        &[],
    ),
    refused(
        "IOWriteBandwidthMax",
        "the program could write without bound",
        &[],
    ),
    refused("IOReadIOPSMax", "the program could read without bound", &[]),
    refused(
        "IOWriteIOPSMax",
        "the program could write without bound",
        &[],
    ),
    refused("DevicePolicy", DEVICES, &["auto"]),
    refused("DeviceAllow", DEVICES, &[]),
    refused("IPAddressAllow", NETWORK, &[]),
    refused("IPAddressDeny", NETWORK, &[]),
    refused("IPIngressFilterPath", NETWORK, &[]),
    refused("IPEgressFilterPath", NETWORK, &[]),
    refused("BPFProgram", NETWORK, &[]),
    refused("SocketBindAllow", NETWORK, &[]),
    refused("SocketBindDeny", NETWORK, &[]),
    refused("RestrictNetworkInterfaces", NETWORK, &[]),
    refused("NFTSet", "the firewall would not know the service", &[]),
];
