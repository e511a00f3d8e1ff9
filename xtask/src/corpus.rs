//! `corpus`: the unit files of real Debian packages, read by us.
//!
//! The packages are downloaded when measuring, with Debian's own client, and kept outside the repository in
//! `target/corpus`. What is read and counted is the business of the `conformance` example of the units crate; here is only
//! what it needs. Not part of `test`: it needs the network.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Packages whose services people run.
const PACKAGES: &[&str] = &[
    "apache2",
    "apt-cacher-ng",
    "atftpd",
    "auditd",
    "avahi-daemon",
    "bind9",
    "bluez",
    "certmonger",
    "chrony",
    "clamav-daemon",
    "cockpit-ws",
    "containerd",
    "corosync",
    "coturn",
    "cron",
    "cups-daemon",
    "darkhttpd",
    "dbus",
    "dnsmasq",
    "docker.io",
    "dovecot-core",
    "etcd-server",
    "exim4-base",
    "fail2ban",
    "firewalld",
    "freeradius",
    "ganglia-monitor",
    "gdm3",
    "gpsd",
    "grafana",
    "haproxy",
    "haveged",
    "icecast2",
    "influxdb",
    "iwd",
    "jenkins",
    "keepalived",
    "knot",
    "knot-resolver",
    "krb5-kdc",
    "libvirt-daemon-system",
    "lighttpd",
    "lldpd",
    "logrotate",
    "mariadb-server",
    "memcached",
    "minidlna",
    "mosquitto",
    "mpd",
    "munge",
    "munin-node",
    "netdata-core",
    "nfs-kernel-server",
    "nftables",
    "nginx-common",
    "nsd",
    "ntpsec",
    "nut-server",
    "opendkim",
    "openntpd",
    "openssh-server",
    "openvpn",
    "pacemaker",
    "pdns-server",
    "php8.2-fpm",
    "podman",
    "postfix",
    "postgresql-common",
    "powertop",
    "privoxy",
    "proftpd-core",
    "prometheus",
    "prometheus-node-exporter",
    "rabbitmq-server",
    "radicale",
    "redis-server",
    "redis-sentinel",
    "rsync",
    "rsyslog",
    "rtkit",
    "samba",
    "slapd",
    "smartmontools",
    "snmpd",
    "spamd",
    "squid",
    "sslh",
    "stunnel4",
    "supervisor",
    "syslog-ng-core",
    "systemd",
    "systemd-timesyncd",
    "systemd-resolved",
    "tor",
    "transmission-daemon",
    "unattended-upgrades",
    "unbound",
    "uwsgi",
    "varnish",
    "vsftpd",
    "wireguard-tools",
    "xrdp",
    "zabbix-agent",
];

/// Fewer packages than this are no corpus.
const ENOUGH: usize = 60;

/// Downloads what is missing, extracts the units, and prints the survey.
pub(crate) fn run() -> Result<(), String> {
    let units = fetched()?;
    super::cargo(&[
        "run",
        "--quiet",
        "--package=aplomb-units",
        "--example=conformance",
        "--",
        "corpus",
        &units.to_string_lossy(),
    ])
}

/// The directory with one directory per package, each with its `lib/systemd/system`.
pub(crate) fn fetched() -> Result<PathBuf, String> {
    let root = PathBuf::from("target/corpus");
    let (packages, units) = (root.join("packages"), root.join("units"));
    fs::create_dir_all(&packages)
        .map_err(|why| format!("cannot make {}: {why}", packages.display()))?;
    let mut there = 0;
    for package in PACKAGES {
        match extracted(package, &packages, &units.join(package)) {
            Ok(()) => there += 1,
            Err(why) => eprintln!("  {package}: {why}"),
        }
    }
    println!("{there} of {} packages", PACKAGES.len());
    match there >= ENOUGH {
        true => Ok(units),
        false => Err(format!(
            "fewer than {ENOUGH} packages could be had; try `apt-get update`"
        )),
    }
}

/// One package's units; what is there already is not fetched again.
fn extracted(package: &str, packages: &Path, to: &Path) -> Result<(), String> {
    if to.is_dir() {
        return Ok(());
    }
    quietly(
        Command::new("apt-get")
            .args(["download", "--quiet", package])
            .current_dir(packages),
    )?;
    let archive = downloaded(package, packages)?;
    let scratch = packages.join("scratch");
    quietly(
        Command::new("dpkg-deb")
            .arg("--extract")
            .arg(&archive)
            .arg(&scratch),
    )?;
    let copied = copied_units(&scratch, to);
    fs::remove_dir_all(&scratch).map_err(|why| why.to_string())?;
    fs::remove_file(&archive).map_err(|why| why.to_string())?;
    copied
}

/// The archive's name holds its version, which nobody knows beforehand.
fn downloaded(package: &str, packages: &Path) -> Result<PathBuf, String> {
    let entries = fs::read_dir(packages).map_err(|why| why.to_string())?;
    let prefix = format!("{package}_");
    entries
        .flatten()
        .map(|entry| entry.path())
        .find(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(&prefix))
        })
        .ok_or_else(|| "nothing was downloaded".to_owned())
}

/// Both places Debian has had units in become one.
fn copied_units(package: &Path, to: &Path) -> Result<(), String> {
    fs::create_dir_all(to).map_err(|why| why.to_string())?;
    for from in ["lib/systemd/system", "usr/lib/systemd/system"] {
        let from = package.join(from);
        if from.is_dir() {
            quietly(
                Command::new("cp")
                    .args(["--archive", "--no-target-directory"])
                    .arg(&from)
                    .arg(to),
            )?;
        }
    }
    Ok(())
}

/// Runs a command without its chatter; its complaint is the error.
pub(crate) fn quietly(command: &mut Command) -> Result<(), String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|why| format!("cannot run {:?}: {why}", command.get_program()))?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(complaint.lines().last().unwrap_or("it failed").to_owned())
}
