//! `[Socket]`.

use aplomb_core::spec::Address;

use super::super::{depends, socket};
use super::{Key, OFF, carried, noted, refused};

const TUNING: &str = "the system's default holds";
const KERNEL: &str = "such sockets are not held here";
const LABEL: &str = "the socket would have another label";
const COMMANDS: &str = "a socket runs no commands; those of the service do run";

pub(super) const KEYS: &[Key] = &[
    carried(
        "ListenStream",
        "listen: tcp, or a stream socket of a path",
        |d, i| socket::listen(d, i, Address::Tcp, Address::UnixStream),
    ),
    carried(
        "ListenDatagram",
        "listen: udp, or a datagram socket of a path",
        |d, i| socket::listen(d, i, Address::Udp, Address::UnixDatagram),
    ),
    carried(
        "ListenSequentialPacket",
        "listen: a packet socket of a path",
        socket::listen_packet,
    ),
    carried("ListenFIFO", "listen: a named pipe", socket::listen_fifo),
    carried("SocketUser", "listen.user", |d, i| {
        socket::owner(d, i, |l| &mut l.user)
    }),
    carried("SocketGroup", "listen.group", |d, i| {
        socket::owner(d, i, |l| &mut l.group)
    }),
    carried("SocketMode", "listen.mode", socket::mode),
    carried("Backlog", "listen.backlog", socket::backlog),
    carried("ReusePort", "listen.reuse_port", socket::reuse_port),
    carried("FileDescriptorName", "listen.name", socket::name),
    carried("Service", "the service the sockets are for", |d, i| {
        depends::units(d, i, |d| &mut d.partners)
    }),
    carried("Accept", "`no` only", socket::accept),
    noted(
        "DirectoryMode",
        "directories of a socket are made with mode 0755",
    ),
    noted(
        "BindIPv6Only",
        "an IPv6 address without a host takes IPv4 as well",
    ),
    noted("KeepAlive", TUNING),
    noted("KeepAliveTimeSec", TUNING),
    noted("KeepAliveIntervalSec", TUNING),
    noted("KeepAliveProbes", TUNING),
    noted("NoDelay", TUNING),
    noted("DeferAcceptSec", TUNING),
    noted("Priority", TUNING),
    noted("ReceiveBuffer", TUNING),
    noted("SendBuffer", TUNING),
    noted("IPTOS", TUNING),
    noted("IPTTL", TUNING),
    noted("PipeSize", TUNING),
    noted("TCPCongestion", TUNING),
    noted("Timestamping", TUNING),
    noted(
        "FlushPending",
        "what came in before the service runs is kept",
    ),
    noted(
        "RemoveOnStop",
        "a socket of a path goes when the service is removed",
    ),
    noted("MaxConnections", "it only matters with `Accept=yes`"),
    noted(
        "MaxConnectionsPerSource",
        "it only matters with `Accept=yes`",
    ),
    noted(
        "TriggerLimitIntervalSec",
        "connections do not start services here",
    ),
    noted(
        "TriggerLimitBurst",
        "connections do not start services here",
    ),
    noted(
        "PollLimitIntervalSec",
        "connections do not start services here",
    ),
    noted("PollLimitBurst", "connections do not start services here"),
    noted("TimeoutSec", COMMANDS),
    noted("ExecStartPre", COMMANDS),
    noted("ExecStartPost", COMMANDS),
    noted("ExecStopPre", COMMANDS),
    noted("ExecStopPost", COMMANDS),
    noted("PassFileDescriptorsToExec", COMMANDS),
    noted("Writable", "it only matters with `ListenSpecial=`"),
    noted(
        "MessageQueueMaxMessages",
        "it only matters with `ListenMessageQueue=`",
    ),
    noted(
        "MessageQueueMessageSize",
        "it only matters with `ListenMessageQueue=`",
    ),
    refused("ListenNetlink", KERNEL, &[]),
    refused("ListenSpecial", KERNEL, &[]),
    refused("ListenMessageQueue", KERNEL, &[]),
    refused("ListenUSBFunction", KERNEL, &[]),
    refused("SocketProtocol", KERNEL, &[]),
    refused(
        "BindToDevice",
        "the socket would be reachable on every interface",
        &[],
    ),
    refused("FreeBind", "the address might not exist yet", OFF),
    refused(
        "Transparent",
        "the socket would not take foreign addresses",
        OFF,
    ),
    refused("Broadcast", "the socket could not broadcast", OFF),
    refused(
        "PassCredentials",
        "the program would not learn who speaks to it",
        OFF,
    ),
    refused(
        "PassSecurity",
        "the program would not learn who speaks to it",
        OFF,
    ),
    refused(
        "PassPacketInfo",
        "the program would not learn where packets came in",
        OFF,
    ),
    refused("Mark", "packets would not be marked", &[]),
    refused(
        "Symlinks",
        "the socket would not be found at its other paths",
        &[],
    ),
    refused("SmackLabel", LABEL, &[]),
    refused("SmackLabelIPIn", LABEL, &[]),
    refused("SmackLabelIPOut", LABEL, &[]),
    refused("SELinuxContextFromNet", LABEL, OFF),
];
