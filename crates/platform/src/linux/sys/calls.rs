//! The calls a script can hold, by what they do for a program about to be executed. Each is one of the manual's section
//! 2; its doc names it.

use std::os::fd::RawFd;

use aplomb_core::Signal;
use linux_raw_sys::{general as nr, ioctl, prctl};

use super::script::Arg::{self, Value};
use super::script::{Fd, Refused, Script, Slot, Table, Text};
use super::signals::Disposition;

/// What may be done at a place of the file system; see mount_setattr(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attribute {
    ReadOnly,
    Writable,
    /// Read-only, nothing there can be executed, devices cannot be opened.
    NoDevices,
    /// Read-only, nothing there can be executed, and no program there gains rights.
    ReadOnlyDevices,
}

/// How much of what is mounted below a place is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Only what is mounted at the place itself.
    Place,
    /// All that is mounted below it as well.
    Below,
}

/// A name space of the child's own; see namespaces(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Space {
    Mounts,
    Network,
    HostName,
}

impl Script {
    /// setpgid(2): leads a process group of its own.
    pub(crate) fn lead_group(&mut self) {
        self.call(nr::__NR_setpgid, [Value(0), Value(0)]);
    }

    /// TIOCNOTTY: the terminal is not its controlling one any more.
    pub(crate) fn let_go_of(&mut self, terminal: RawFd) {
        let args = [Value(terminal as usize), Value(ioctl::TIOCNOTTY as usize)];
        self.call_unless(nr::__NR_ioctl, args, Refused::Ignore);
    }

    /// write(2) of a short text into a file of the kernel's.
    pub(crate) fn write(&mut self, fd: Fd, text: &[u8]) {
        let at = self.raw(text);
        let args = [fd.into(), Arg::Text(at), Value(text.len())];
        self.call(nr::__NR_write, args);
    }

    /// dup3(2): `from` becomes `to`, and stays open over the exec.
    pub(crate) fn place(&mut self, from: Fd, to: RawFd) {
        let args = [from.into(), Value(to as usize), Value(0)];
        self.call(nr::__NR_dup3, args);
    }

    /// close_range(2), CLOSE_RANGE_UNSHARE: a table of its own, with only the descriptors below `first` in it.
    pub(crate) fn own_descriptors(&mut self, first: RawFd) {
        let args = [
            Value(first as usize),
            Value(u32::MAX as usize),
            Value(CLOSE_RANGE_UNSHARE),
        ];
        self.call(nr::__NR_close_range, args);
    }

    /// close_range(2): everything from `first` on is closed at the exec.
    pub(crate) fn close_on_exec_from(&mut self, first: RawFd) {
        let args = [
            Value(first as usize),
            Value(u32::MAX as usize),
            Value(CLOSE_RANGE_CLOEXEC),
        ];
        // Kernels before 5.11 lack it; all we open is closed at the exec anyway.
        self.call_unless(nr::__NR_close_range, args, Refused::Ignore);
    }

    /// close_range(2): everything from `first` to `last` is closed at the exec.
    pub(crate) fn close_on_exec(&mut self, first: RawFd, last: RawFd) {
        let args = [
            Value(first as usize),
            Value(last as usize),
            Value(CLOSE_RANGE_CLOEXEC),
        ];
        self.call_unless(nr::__NR_close_range, args, Refused::Ignore);
    }

    /// rt_sigaction(2): the signal has no handler of ours and is ignored, or not, as said.
    pub(crate) fn dispose(&mut self, signal: Signal, disposition: Disposition) {
        let table = self.values(&disposition.words());
        let args = [
            Value(usize::from(signal.number())),
            Arg::Table(table),
            Value(0),
            Value(size_of::<u64>()),
        ];
        self.call(nr::__NR_rt_sigaction, args);
    }

    /// rt_sigprocmask(2): no signal is blocked any more.
    pub(crate) fn unblock_signals(&mut self) {
        let table = self.values(&[0]);
        let args = [
            Value(nr::SIG_SETMASK as usize),
            Arg::Table(table),
            Value(0),
            Value(size_of::<u64>()),
        ];
        self.call(nr::__NR_rt_sigprocmask, args);
    }

    /// chdir(2).
    pub(crate) fn chdir(&mut self, path: Text, refused: Refused) {
        self.call_unless(nr::__NR_chdir, [Arg::Text(path)], refused);
    }

    /// Keeps `name` with room for the child's own number behind it, which the child writes there.
    pub(crate) fn with_own_number(&mut self, name: &str) -> Text {
        const ROOM: &[u8] = b"0000000000\0";
        let text = self.raw(name.as_bytes());
        self.raw(ROOM);
        self.push_own_number(text, name.len());
        text
    }

    /// execve(2).
    pub(crate) fn execute(&mut self, program: Text, argv: Table, env: Table) {
        let args = [Arg::Text(program), Arg::Table(argv), Arg::Table(env)];
        self.call_unless(nr::__NR_execve, args, Refused::TryNext);
    }

    /// setpriority(2) of the process itself.
    pub(crate) fn set_nice(&mut self, nice: i8) {
        let args = [Value(PRIO_PROCESS), Value(0), Value(nice as isize as usize)];
        self.call(nr::__NR_setpriority, args);
    }

    /// sched_setaffinity(2): bit N of the words for processor N.
    pub(crate) fn set_affinity(&mut self, processors: &[u64]) {
        let table = self.values(processors);
        let args = [Value(0), Value(size_of_val(processors)), Arg::Table(table)];
        self.call(nr::__NR_sched_setaffinity, args);
    }

    /// prlimit64(2) of the process itself.
    pub(crate) fn set_limit(&mut self, resource: u32, soft: u64, hard: u64) {
        let table = self.values(&[soft, hard]);
        let args = [
            Value(0),
            Value(resource as usize),
            Arg::Table(table),
            Value(0),
        ];
        self.call(nr::__NR_prlimit64, args);
    }

    /// umask(2).
    pub(crate) fn set_umask(&mut self, mask: u32) {
        self.call(nr::__NR_umask, [Value(mask as usize)]);
    }

    /// setgroups(2): these, and no others.
    pub(crate) fn set_groups(&mut self, groups: &[u32]) {
        let bytes: Vec<u8> = groups
            .iter()
            .flat_map(|group| group.to_ne_bytes())
            .collect();
        let table = self.packed(&bytes);
        self.call(nr::__NR_setgroups, [Value(groups.len()), Arg::Table(table)]);
    }

    /// Bytes of a structure of the kernel's, aligned as words are.
    fn packed(&mut self, bytes: &[u8]) -> Table {
        let words: Vec<u64> = bytes
            .chunks(size_of::<u64>())
            .map(|chunk| {
                let mut word = [0; size_of::<u64>()];
                word[..chunk.len()].copy_from_slice(chunk);
                u64::from_ne_bytes(word)
            })
            .collect();
        self.values(&words)
    }

    /// setresgid(2): the real, effective and saved one.
    pub(crate) fn set_gid(&mut self, gid: u32) {
        self.call(nr::__NR_setresgid, [Value(gid as usize); 3]);
    }

    /// setresuid(2): the real, effective and saved one.
    pub(crate) fn set_uid(&mut self, uid: u32) {
        self.call(nr::__NR_setresuid, [Value(uid as usize); 3]);
    }

    /// PR_SET_KEEPCAPS: the next change of user does not take the permitted capabilities away.
    pub(crate) fn keep_capabilities(&mut self) {
        self.prctl(prctl::PR_SET_KEEPCAPS, [1, 0]);
    }

    /// PR_SET_NO_NEW_PRIVS.
    pub(crate) fn no_new_privileges(&mut self) {
        self.prctl(prctl::PR_SET_NO_NEW_PRIVS, [1, 0]);
    }

    /// PR_CAPBSET_DROP. A kernel that does not know the capability cannot give it either.
    pub(crate) fn drop_from_bounding_set(&mut self, capability: usize) {
        let args = [Value(prctl::PR_CAPBSET_DROP as usize), Value(capability)];
        self.call_unless(nr::__NR_prctl, args, Refused::UnlessUnknown);
    }

    /// PR_CAP_AMBIENT_RAISE.
    pub(crate) fn raise_ambient(&mut self, capability: usize) {
        self.prctl(
            prctl::PR_CAP_AMBIENT,
            [prctl::PR_CAP_AMBIENT_RAISE as usize, capability],
        );
    }

    fn prctl(&mut self, option: u32, [first, second]: [usize; 2]) {
        let args = [
            Value(option as usize),
            Value(first),
            Value(second),
            Value(0),
            Value(0),
        ];
        self.call(nr::__NR_prctl, args);
    }

    /// capset(2): exactly these, effective, permitted and inheritable.
    pub(crate) fn set_capabilities(&mut self, set: u64) {
        let low = set as u32;
        let high = (set >> 32) as u32;
        let header = [nr::_LINUX_CAPABILITY_VERSION_3, 0];
        let header: Vec<u8> = header.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let sets = [low, low, low, high, high, high];
        let sets: Vec<u8> = sets.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let header = self.packed(&header);
        let sets = self.packed(&sets);
        self.call(nr::__NR_capset, [Arg::Table(header), Arg::Table(sets)]);
    }

    /// chroot(2), and to the new root.
    pub(crate) fn chroot(&mut self, path: Text) {
        self.call(nr::__NR_chroot, [Arg::Text(path)]);
        let root = self.constant("/");
        self.chdir(root, Refused::GiveUp);
    }

    /// A text of our own, which holds no NUL.
    pub(crate) fn constant(&mut self, text: &str) -> Text {
        let at = self.raw(text.as_bytes());
        self.raw(b"\0");
        at
    }

    /// openat(2), closed at the exec.
    pub(crate) fn open(&mut self, path: &str, flags: u32) -> Fd {
        let path = self.constant(path);
        let slot = self.slot();
        let args = [
            Value(AT_FDCWD),
            Arg::Text(path),
            Value((flags | nr::O_CLOEXEC) as usize),
            Value(0),
        ];
        self.push(nr::__NR_openat, args, Some(slot), Refused::GiveUp);
        Fd::From(slot)
    }

    /// unshare(2).
    pub(crate) fn unshare(&mut self, space: Space) {
        let flag = match space {
            Space::Mounts => nr::CLONE_NEWNS,
            Space::Network => nr::CLONE_NEWNET,
            Space::HostName => nr::CLONE_NEWUTS,
        };
        self.call(nr::__NR_unshare, [Value(flag as usize)]);
    }

    /// setns(2) into a network somebody holds open.
    pub(crate) fn enter_network(&mut self, network: RawFd) {
        let args = [Value(network as usize), Value(nr::CLONE_NEWNET as usize)];
        self.call(nr::__NR_setns, args);
    }

    /// netdevice(7): the loopback of a new network works.
    pub(crate) fn loopback_up(&mut self) {
        let slot = self.slot();
        let socket = [
            Value(AF_INET),
            Value(SOCK_DGRAM | nr::O_CLOEXEC as usize),
            Value(0),
        ];
        self.push(nr::__NR_socket, socket, Some(slot), Refused::GiveUp);
        // struct ifreq: sixteen bytes of name, then the flags.
        let mut request = [0_u8; 40];
        request[..2].copy_from_slice(b"lo");
        request[16..18].copy_from_slice(&IFF_UP_RUNNING.to_ne_bytes());
        let table = self.packed(&request);
        let args = [
            Arg::Slot(slot),
            Value(ioctl::SIOCSIFFLAGS as usize),
            Arg::Table(table),
        ];
        self.call(nr::__NR_ioctl, args);
    }

    /// mount(2), MS_SLAVE: mounts made elsewhere still arrive, ours do not leave.
    pub(crate) fn keep_mounts_private(&mut self) {
        let root = self.constant("/");
        let flags = nr::MS_REC | nr::MS_SLAVE;
        let args = [
            Value(0),
            Arg::Text(root),
            Value(0),
            Value(flags as usize),
            Value(0),
        ];
        self.call(nr::__NR_mount, args);
    }

    /// mount(2), MS_BIND: `from` with all below it is seen at `to`.
    pub(crate) fn bind(&mut self, from: Text, to: Text) {
        let flags = nr::MS_BIND | nr::MS_REC;
        let args = [
            Arg::Text(from),
            Arg::Text(to),
            Value(0),
            Value(flags as usize),
            Value(0),
        ];
        self.call(nr::__NR_mount, args);
    }

    /// mount(2) of a new, empty tmpfs(5) where no device can be opened.
    pub(crate) fn mount_empty(&mut self, at: Text, options: &str) {
        self.mount_tmpfs(at, options, nr::MS_NOSUID | nr::MS_NODEV);
    }

    /// mount(2) of a new, empty tmpfs(5) that devices can be put into.
    pub(crate) fn mount_empty_for_devices(&mut self, at: Text) {
        self.mount_tmpfs(at, "mode=755,size=4m,nr_inodes=64k", nr::MS_NOSUID);
    }

    fn mount_tmpfs(&mut self, at: Text, options: &str, flags: u32) {
        let kind = self.constant("tmpfs");
        let options = self.constant(options);
        let args = [
            Arg::Text(kind),
            Arg::Text(at),
            Arg::Text(kind),
            Value(flags as usize),
            Arg::Text(options),
        ];
        self.call(nr::__NR_mount, args);
    }

    /// mount_setattr(2).
    pub(crate) fn set_attribute(&mut self, at: Text, attribute: Attribute, reach: Reach) {
        let (set, clear) = match attribute {
            Attribute::ReadOnly => (MOUNT_ATTR_RDONLY, 0),
            Attribute::Writable => (0, MOUNT_ATTR_RDONLY),
            Attribute::NoDevices => (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, 0),
            Attribute::ReadOnlyDevices => {
                (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, 0)
            }
        };
        let flags = match reach {
            Reach::Place => 0,
            Reach::Below => nr::AT_RECURSIVE as usize,
        };
        let table = self.values(&[set, clear, 0, 0]);
        let args = [
            Value(AT_FDCWD),
            Arg::Text(at),
            Value(flags),
            Arg::Table(table),
            Value(4 * size_of::<u64>()),
        ];
        self.call(nr::__NR_mount_setattr, args);
    }

    /// open_tree(2): what is mounted at `path` (and below), to be put elsewhere by [`Script::put`].
    pub(crate) fn pick(&mut self, path: &str) -> Slot {
        let path = self.constant(path);
        let slot = self.slot();
        let flags = OPEN_TREE_CLONE | nr::O_CLOEXEC | nr::AT_RECURSIVE;
        let args = [Value(AT_FDCWD), Arg::Text(path), Value(flags as usize)];
        self.push(nr::__NR_open_tree, args, Some(slot), Refused::GiveUp);
        slot
    }

    /// move_mount(2).
    pub(crate) fn put(&mut self, picked: Slot, at: &str) {
        let nothing = self.constant("");
        let at = self.constant(at);
        let args = [
            Arg::Slot(picked),
            Arg::Text(nothing),
            Value(AT_FDCWD),
            Arg::Text(at),
            Value(MOVE_MOUNT_F_EMPTY_PATH),
        ];
        self.call(nr::__NR_move_mount, args);
    }

    /// mknodat(2) of an empty file, or mkdirat(2): something to put a mount on.
    pub(crate) fn make_place(&mut self, path: &str, directory: bool) {
        let path = self.constant(path);
        if directory {
            let args = [Value(AT_FDCWD), Arg::Text(path), Value(0o755)];
            self.call(nr::__NR_mkdirat, args);
        } else {
            let mode = (nr::S_IFREG | 0o444) as usize;
            let args = [Value(AT_FDCWD), Arg::Text(path), Value(mode), Value(0)];
            self.call(nr::__NR_mknodat, args);
        }
    }

    /// symlinkat(2).
    pub(crate) fn link(&mut self, target: &str, path: &str) {
        let target = self.constant(target);
        let path = self.constant(path);
        let args = [Arg::Text(target), Value(AT_FDCWD), Arg::Text(path)];
        self.call(nr::__NR_symlinkat, args);
    }
}

const AT_FDCWD: usize = nr::AT_FDCWD as isize as usize;
const PRIO_PROCESS: usize = 0;
const AF_INET: usize = 2;
const SOCK_DGRAM: usize = 2;
/// IFF_UP and IFF_RUNNING.
const IFF_UP_RUNNING: u16 = 0x41;
/// <linux/close_range.h> and <linux/mount.h>, which `linux-raw-sys` files elsewhere or leaves out.
const CLOSE_RANGE_UNSHARE: usize = 2;
const CLOSE_RANGE_CLOEXEC: usize = 4;
const MOUNT_ATTR_RDONLY: u64 = 0x1;
const MOUNT_ATTR_NOSUID: u64 = 0x2;
const MOUNT_ATTR_NODEV: u64 = 0x4;
const MOUNT_ATTR_NOEXEC: u64 = 0x8;
const OPEN_TREE_CLONE: u32 = 1;
const MOVE_MOUNT_F_EMPTY_PATH: usize = 4;
