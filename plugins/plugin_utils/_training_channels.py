# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""What a user's channel is: a prefix, an archive, a directory of the node, or one of this machine."""

from __future__ import annotations

import difflib
import os
import posixpath
import re
import typing as t

from ansible_collections.trainyard.aws.plugins.module_utils._channels import ARCHIVE, NODE, S3, Channel
from ansible_collections.trainyard.aws.plugins.module_utils._preflight import Fault
from ansible_collections.trainyard.aws.plugins.plugin_utils._training_inputs import channel_faults, channel_name_faults

CONTROLLER = "controller"
_BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/|$)")
_ADDRESS = re.compile(r"https://[^/\s]+/\S+")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_UNSAFE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_FORMS = "Write a path, an s3:// prefix, {url: https://..., sha256: ...} or {path: a directory of the node}."


def channel_of(subject: str, name: str, given: t.Any, shared_directory: str) -> tuple[Channel | None, list[Fault]]:
    """A channel, or why it cannot be one."""
    faults = channel_name_faults(subject, name)
    if faults:
        return None, faults
    if isinstance(given, t.Mapping):
        channel, what, fix = _of_mapping(name, given)
    elif isinstance(given, str) and "://" in given:
        channel, what, fix = _of_address(name, given)
    elif isinstance(given, str) and shared_directory and _below(given, shared_directory):
        channel, what, fix = _of_path(name, given)
    else:
        return _of_controller(subject, name, given)
    return (channel, []) if channel else (None, [Fault(subject, f'channel "{name}" {what}', fix)])


def _of_controller(subject: str, name: str, given: t.Any) -> tuple[Channel | None, list[Fault]]:
    faults = channel_faults(subject, name, given)
    return (None, faults) if faults else (Channel(name, CONTROLLER, _copy_source(given)), [])


def _of_mapping(name: str, given: t.Mapping[str, t.Any]) -> tuple[Channel | None, str, str]:
    for key in given:
        if key not in ("url", "sha256", "path"):
            near = difflib.get_close_matches(str(key), ("url", "sha256", "path"), n=1)
            return None, f'has "{key}", which no channel has.', f'Did you mean "{near[0]}"?' if near else _FORMS
    if set(given) == {"path"}:
        return _of_path(name, str(given["path"]))
    if "path" in given or "url" not in given:
        return None, f"has {' and '.join(sorted(given)) or 'nothing'}.", _FORMS
    url, sha256 = str(given["url"]), str(given.get("sha256") or "").lower()
    if not _ADDRESS.fullmatch(url) and not (_BUCKET.match(url) and not url.endswith("/") and url.count("/") > 2):
        return None, f'has the url "{url}".', "An archive is at an https:// address, or is one object at s3://."
    if not _SHA256.fullmatch(sha256):
        return None, "has no sha256 of 64 hexadecimal digits.", "Write what sha256sum says of the archive."
    return Channel(name, ARCHIVE, url, sha256), "", ""


def _of_address(name: str, given: str) -> tuple[Channel | None, str, str]:
    if given.startswith("https://"):
        return None, f'is "{given}" with no checksum.', f"Write it as {{url: {given}, sha256: ...}}."
    if not _BUCKET.match(given):
        return None, f'is "{given}", which is no place in a bucket.', _FORMS
    if any(each in given for each in "*?") or _UNSAFE.search(given):
        return None, f"is {given!a}.", "Write a prefix, without stars, question marks and control characters."
    return Channel(name, S3, given.rstrip("/") + "/"), "", ""


def _of_path(name: str, path: str) -> tuple[Channel | None, str, str]:
    if not path.startswith("/") or posixpath.normpath(path) != path.rstrip("/") or _UNSAFE.search(path):
        return None, f"is {path!a}, which is no directory of the node.", "Write its absolute path, such as /efs/images."
    return Channel(name, NODE, path.rstrip("/")), "", ""


def _below(path: str, directory: str) -> bool:
    return posixpath.normpath(path).startswith(directory.rstrip("/") + "/")


def _copy_source(path: str) -> str:
    """As M(ansible.builtin.copy) wants it: the slash at the end means what is in the directory, and not the directory."""
    absolute = os.path.abspath(os.path.expanduser(path))
    return absolute + "/" if os.path.isdir(absolute) else absolute
