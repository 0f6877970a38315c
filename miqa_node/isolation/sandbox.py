"""Removes from a worker, before its first image, the rights that judging images does not need.

With Landlock (Linux 5.13 or newer) it can only read the stored objects, the models and the software, and write nothing.
A seccomp filter refuses system calls that open a network connection, start a program or access other processes. Neither
needs privileges, and neither can be removed. Numbers and structures are those of the kernel's documentation,
userspace-api/landlock and userspace-api/seccomp_filter.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from miqa_node.core.settings import Settings
from miqa_node.errors import MiqaError
from miqa_node.stages.assess.session import CPU_PROVIDER, available_provider

LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446
"""Equal on every processor, as for all newer system calls."""
VERSION_FLAG, PATH_BENEATH = 1, 1
FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
"""All rights of a Landlock version; later versions have those of 5."""
WRITE_FILE, READ_FILE, READ_DIR = 1 << 1, 1 << 2, 1 << 3
BIND, CONNECT = 1, 2
ABSTRACT_SOCKETS, SIGNALS = 1, 2
NO_NEW_PRIVILEGES = 38
CAPABILITY_VERSION, FILE_CAPABILITIES = 0x20080522, 1 << 1 | 1 << 2
"""The capabilities to read files of other owners: CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH."""
SECCOMP_SET_FILTER, ALL_THREADS = 1, 1
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050000 | 1, 0x80000000
LOAD, EQUAL, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
X32 = 0x40000000
"""First number of the other calling convention of x86-64."""

SYSTEM = ("/usr", "/lib", "/lib64", "/proc", "/sys/devices/system", "/sys/fs/cgroup", "/dev/urandom", "/dev/zero")
SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/localtime", "/etc/timezone", "/etc/fonts", "/etc/os-release")
NETWORK_FILES = ("/etc/ssl", "/etc/pki", "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/services")

# Numbers on x86-64 and on AArch64, by name.
NETWORK = {
    "socket": (41, 198), "connect": (42, 203), "accept": (43, 202), "bind": (49, 200), "listen": (50, 201),
    "accept4": (288, 242), "socketpair": (53, 199),
}  # fmt: skip
FORBIDDEN = {
    "execve": (59, 221), "execveat": (322, 281), "ptrace": (101, 117), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "pidfd_getfd": (438, 438), "kcmp": (312, 272), "process_madvise": (440, 440),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "unshare": (272, 97),
    "setns": (308, 268), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsmount": (432, 432), "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "add_key": (248, 217), "request_key": (249, 218),
    "keyctl": (250, 219), "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "reboot": (169, 142), "swapon": (167, 224),
    "swapoff": (168, 225), "acct": (163, 89), "settimeofday": (164, 170), "clock_settime": (227, 112),
    "adjtimex": (159, 171), "clock_adjtime": (305, 266), "syslog": (103, 116),
}  # fmt: skip
PROCESSORS = {"x86_64": (0, 0xC000003E, 317), "aarch64": (1, 0xC00000B7, 277)}
"""(column above, AUDIT_ARCH, number of the seccomp call) of each processor."""


def confine(settings: Settings, *, is_alone: bool = True) -> None:
    """Give up unneeded rights, in this and all later threads; OSError if the system refuses a feature it reports.

    A worker that ``is_alone`` runs the models itself, on a GPU if there is one.
    """
    if reason_for_none(settings, is_alone=is_alone):
        return
    _call("prctl", NO_NEW_PRIVILEGES, *map(ctypes.c_ulong, (1, 0, 0, 0)))
    _drop_capabilities()
    if version := landlock_version():
        _restrict(version, settings)
    if _processor() is not None:
        _filter(online=_is_online(settings))


def reason_for_none(settings: Settings, *, is_alone: bool = True) -> str:
    """Why workers keep the node's rights; empty if they do not. See :func:`confine`."""
    if not settings.work.sandbox:
        return "work.sandbox is off"
    if sys.platform != "linux":
        return "this system has neither Landlock nor seccomp"
    try:
        provider = available_provider(settings.node.accelerator)
    except MiqaError:
        provider = CPU_PROVIDER
    if is_alone and provider != CPU_PROVIDER:
        return f"{provider} needs devices and programs of its driver"
    if not landlock_version() and _processor() is None:
        return "this kernel or container has neither Landlock nor seccomp"
    return ""


def described(settings: Settings, *, is_alone: bool = True) -> str:
    """The restrictions of workers, in one line. See :func:`confine`."""
    if reason := reason_for_none(settings, is_alone=is_alone):
        return f"none: {reason}; worker processes have the rights of the node"
    version = landlock_version()
    files = f"Landlock {version}" if version else "no Landlock in this kernel or container: files are not restricted"
    calls = "a filter of system calls" if _processor() else "no filter of system calls for this processor"
    online = "; captions may use the network" if _is_online(settings) else ""
    return f"{files}, {calls}{online}"


def landlock_version() -> int:
    """The Landlock version of this kernel; 0 if there is none."""
    with suppress(OSError, AttributeError):
        return _system_call(LANDLOCK_CREATE, None, ctypes.c_size_t(0), VERSION_FLAG)
    return 0


def readable(settings: Settings) -> list[Path]:
    """Files and folders that a worker reads: objects, models with calibrations and baselines, and software."""
    data = settings.node.data_dir.resolve()
    own = [data / name for name in ("anomaly", "calibration")]
    uploads = Path(settings.web.upload_dir) if settings.web.upload_dir else data / "uploads"
    own += [settings.objects_dir, settings.incoming_dir, uploads]
    for folder in own:
        with suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    software = [Path(path).resolve() for path in (*sys.path, sys.prefix, sys.base_prefix) if path]
    # A folder that contains the node's data, such as its working directory, would expose all of it.
    software = [path for path in software if not data.is_relative_to(path)]
    package = Path(__file__).resolve().parents[1]
    libraries = [
        path.resolve() for path in (package / "libraries").iterdir()
    ]  # in a checkout links that lead elsewhere
    models = [*settings.model_folders, settings.policy_file]
    system = [*SYSTEM, *SYSTEM_FILES, *(NETWORK_FILES if _is_online(settings) else ())]
    return [*own, *software, package, *libraries, *models, *map(Path, system)]


def _is_online(settings: Settings) -> bool:
    return bool(settings.caption.url)


def _drop_capabilities() -> None:
    """Drop root's capabilities except reading files of others: a worker could otherwise read the node's memory."""
    header = struct.pack("Ii", CAPABILITY_VERSION, 0)
    held = ctypes.create_string_buffer(24)  # effective, permitted and inheritable, 2 × 32 bits
    _call("capget", header, held)
    effective, permitted, *_ = struct.unpack("6I", held.raw)
    _call("capset", header, struct.pack("6I", effective & FILE_CAPABILITIES, permitted & FILE_CAPABILITIES, 0, 0, 0, 0))


def _restrict(version: int, settings: Settings) -> None:
    rights = FILE_RIGHTS[min(version, max(FILE_RIGHTS))]
    ports = BIND | (0 if _is_online(settings) else CONNECT)
    attribute = struct.pack("QQQ", rights, ports, ABSTRACT_SOCKETS | SIGNALS)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    rules = _system_call(LANDLOCK_CREATE, attribute, ctypes.c_size_t(size), 0)
    try:
        _allow(rules, readable(settings), READ_FILE | READ_DIR)
        _allow(rules, [Path("/dev/null")], READ_FILE | WRITE_FILE)
        _system_call(LANDLOCK_RESTRICT, rules, 0)
    finally:
        os.close(rules)


def _allow(rules: int, paths: Iterable[Path], rights: int) -> None:
    for path in dict.fromkeys(paths):
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:  # it does not exist
            continue
        try:
            allowed = rights if path.is_dir() else rights & ~READ_DIR
            _system_call(LANDLOCK_ADD, rules, PATH_BENEATH, struct.pack("=Qi", allowed, place), 0)
        finally:
            os.close(place)


def _filter(*, online: bool) -> None:
    processor = _processor()
    assert processor is not None  # noqa: S101 - asked before
    column, architecture, number = processor
    refused = [numbers[column] for numbers in (FORBIDDEN | ({} if online else NETWORK)).values()]
    program = [
        (LOAD, 0, 0, 4), (EQUAL, 1, 0, architecture), (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, 0), (AT_LEAST, len(refused) + 1, 0, X32),
        *((EQUAL, len(refused) - place, 0, one) for place, one in enumerate(refused)),
        (RETURN, 0, 0, ALLOW), (RETURN, 0, 0, REFUSE),
    ]  # fmt: skip
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in program))
    filled = ctypes.create_string_buffer(struct.pack("HP", len(program), ctypes.addressof(code)))
    _system_call(number, SECCOMP_SET_FILTER, ALL_THREADS, filled)


def _processor() -> tuple[int, int, int] | None:
    """The processor's row of the table; None for other processors and for 32-bit programs."""
    return PROCESSORS.get(platform.machine()) if ctypes.sizeof(ctypes.c_void_p) == 8 else None


def _system_call(number: int, *arguments: object) -> int:
    return _call("syscall", ctypes.c_long(number), *arguments)


def _call(function: str, *arguments: object) -> int:
    result = getattr(ctypes.CDLL(None, use_errno=True), function)(*arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{function} failed while a worker gave up rights")
    return int(result)
