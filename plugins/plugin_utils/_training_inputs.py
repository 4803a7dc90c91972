# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""What can be wrong with a run before it is started. Every check returns all its faults, named after the user's variables."""

from __future__ import annotations

import difflib
import json
import math
import os
import posixpath
import re
import stat
import typing as t
from dataclasses import dataclass

from ansible_collections.trainyard.aws.plugins.module_utils._container_accelerators import (
    ACCELERATOR_FORMS,
    accelerators_fault,
)
from ansible_collections.trainyard.aws.plugins.module_utils._container_decide import (
    RESERVED_ENVIRONMENT,
    refuse_docker_socket,
)
from ansible_collections.trainyard.aws.plugins.module_utils._container_types import TrainingError, run_id_fault
from ansible_collections.trainyard.aws.plugins.module_utils._preflight import Fault
from ansible_collections.trainyard.aws.plugins.module_utils._progress import PatternError, pattern_of
from ansible_collections.trainyard.aws.plugins.module_utils._secrets import FORMS, secret_fault
from ansible_collections.trainyard.aws.plugins.plugin_utils._json_places import Document, Path, caret, line_and_column

_CHANNEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESULTS = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._/-]*)?")
_UNSAFE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True)
class Names:
    """The user's names for the inputs."""

    prefix: str

    def of(self, option: str) -> str:
        return self.prefix + option


@dataclass(frozen=True)
class Source:
    """Hyperparameters with the name the user knows them by. Given as a variable they have no text."""

    subject: str
    label: str
    value: t.Any
    document: Document | None

    def where(self, position: int) -> str:
        if self.document is None:
            return ""
        line, column = line_and_column(self.document.text, position)
        return f"{self.label}:{line}:{column}: "

    def at(self, path: Path, key: str | None = None) -> int:
        if self.document is None:
            return 0
        return self.document.keys.get((*path, key), 0) if key is not None else self.document.place(path)


def run_faults(names: Names, options: t.Mapping[str, t.Any]) -> list[Fault]:
    """Faults of what is no file and no hyperparameter."""
    faults = []
    what = run_id_fault(options["run_id"])
    if what:
        faults.append(Fault(names.of("id"), what, 'Choose an id such as "digits-001".'))
    image = options["image"] or ""
    if not image:
        faults.append(Fault(names.of("image"), "it is empty.", "Name the image that trains."))
    elif image != image.strip() or re.search(r"\s", image):
        faults.append(Fault(names.of("image"), f'"{image}" has a space in it.', "Write it as registry/name:tag."))
    what = accelerators_fault(options["accelerators"])
    if what:
        faults.append(Fault(names.of("accelerators"), what, ACCELERATOR_FORMS))
    working = options["working_directory"] or ""
    if working and (not working.startswith("/") or posixpath.normpath(working) != working):
        what = f'"{working}" is not the path of a directory in the container.'
        faults.append(Fault(names.of("working_directory"), what, "Write it as /opt/ml/code/src."))
    path = options["hyperparameters_path"] or ""
    if path and (not path.startswith("/") or posixpath.normpath(path) != path or path == "/"):
        faults.append(
            Fault(
                names.of("hyperparameters_path"),
                f'"{path}" is not the path of a file in the container.',
                "Write it as /data/hyperparams.json.",
            )
        )
    results = options["results"] or ""
    if results and not _RESULTS.fullmatch(results):
        faults.append(
            Fault(names.of("results"), f'"{results}" is not a place in a bucket.', "Write it as s3://bucket/runs.")
        )
    try:
        pattern_of(options["progress_pattern"] or "")
    except PatternError as error:
        faults.append(Fault(names.of("progress_pattern"), str(error), "Leave it empty for the usual ones."))
    faults += volume_faults(names.of("volumes"), options["volumes"] or [])
    faults += output_faults(names.of("outputs"), options["outputs"] or [])
    wrong = [secret_fault(name, place) for name, place in (options["secrets"] or {}).items()]
    faults += [Fault(names.of("secrets"), each, FORMS) for each in wrong if each]
    return faults + environment_faults(names.of("environment"), options["environment"] or {})


def volume_faults(subject: str, volumes: t.Sequence[t.Mapping[str, t.Any]]) -> list[Fault]:
    """Of directories and files of the node that the container sees."""
    faults = []
    for volume in volumes:
        source, target = str(volume.get("source") or ""), str(volume.get("target") or "")
        if not (
            source.startswith("/") and target.startswith("/") and posixpath.normpath(target) not in ("/", "/opt/ml")
        ):
            what = f'"{source}" cannot be seen at "{target}".'
            faults.append(Fault(subject, what, "Write both as paths from the root, such as /data/words and /words."))
            continue
        try:
            refuse_docker_socket(source)
        except TrainingError as error:
            faults.append(Fault(subject, f"{error.what}: {error.why}", error.fix))
    return faults


def output_faults(subject: str, outputs: t.Sequence[str]) -> list[Fault]:
    """Faults of the files that a run declares to make."""
    return [
        Fault(
            subject,
            f"{each!a} is no file of the run's results.",
            "Write it as model/weights.h5 or output/predictions.csv; a star stands for any characters.",
        )
        for each in outputs
        if _UNSAFE.search(each)
        or posixpath.normpath(output_path(each)) != output_path(each)
        or not output_path(each).startswith(("model/", "output/"))
    ]


def output_path(output: str) -> str:
    """Its path in the run's results, also where it is given as the container sees it."""
    return output.removeprefix("/opt/ml/")


def environment_faults(subject: str, environment: t.Mapping[str, t.Any]) -> list[Fault]:
    """Faults of environment variables. Their values are not shown: they may be secrets."""
    faults = []
    for name, value in environment.items():
        if not _VARIABLE.fullmatch(name):
            faults.append(
                Fault(
                    subject,
                    f'"{name}" is not a name of an environment variable.',
                    "Use letters, digits and underscores.",
                )
            )
        elif name.startswith(RESERVED_ENVIRONMENT):
            faults.append(
                Fault(
                    subject,
                    f"{name} is set by the run itself.",
                    f"Choose a name that does not start with {RESERVED_ENVIRONMENT}.",
                )
            )
        if isinstance(value, (dict, list)) or value is None:
            faults.append(Fault(subject, f"{name} is not a text.", "Give it a text or a number."))
        elif "\0" in str(value):
            faults.append(Fault(subject, f"{name} holds a zero byte.", "Remove it."))
    return faults


def channel_name_faults(subject: str, name: t.Any) -> list[Fault]:
    if isinstance(name, str) and _CHANNEL.fullmatch(name):
        return []
    fix = "Use letters, digits, dots, hyphens and underscores, at most 63."
    return [Fault(subject, f'"{name}" is not a name of a channel.', fix)]


def channel_faults(subject: str, name: str, source: t.Any) -> list[Fault]:
    """Faults of one channel, whose source is on this machine."""
    if not isinstance(source, str) or not source:
        return [Fault(subject, f'channel "{name}" has no path.', "Give it a directory or a file on this machine.")]
    path = os.path.abspath(os.path.expanduser(source))
    if not os.path.exists(path):
        near = difflib.get_close_matches(os.path.basename(path), _names_in(os.path.dirname(path)), n=1)
        hint = (
            f'Did you mean "{os.path.join(os.path.dirname(path), near[0])}"?'
            if near
            else "Give it a directory or a file on this machine; one of the node is {path: ...}."
        )
        return [Fault(subject, f'channel "{name}": {path} does not exist.', hint)]
    return file_faults(subject, name, path)


def _names_in(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def file_faults(subject: str, channel: str, path: str) -> list[Fault]:
    """Faults of the files below a path: names that a terminal or a list of files could misread, and what is no file."""
    faults, count = [], 0
    for file in _files_below(path):
        count += 1
        shown = ascii(os.path.relpath(file, os.path.dirname(path)))
        if _UNSAFE.search(file):
            faults.append(
                Fault(
                    subject,
                    f'channel "{channel}": the name {shown} has characters that no name should have.',
                    "Rename the file.",
                )
            )
        elif not os.path.exists(file):
            faults.append(Fault(subject, f'channel "{channel}": {shown} is a link to nothing.', "Remove it."))
        elif not stat.S_ISREG(os.stat(file).st_mode):
            faults.append(Fault(subject, f'channel "{channel}": {shown} is not a file.', "Remove it."))
        elif not os.access(file, os.R_OK):
            faults.append(
                Fault(subject, f'channel "{channel}": {shown} cannot be read.', "Give yourself the right to read it.")
            )
    if not count:
        faults.append(
            Fault(
                subject,
                f'channel "{channel}": there is no file in {path}.',
                "Put the data there, or leave the channel out.",
            )
        )
    return faults


def _files_below(path: str) -> t.Iterator[str]:
    if not os.path.isdir(path):
        yield path
        return
    for directory, dummy, files in os.walk(path):
        yield from (os.path.join(directory, file) for file in files)


def read_document(subject: str, path: str) -> tuple[Source | None, list[Fault]]:
    """A JSON file on this machine, or why it cannot be used."""
    try:
        with open(os.path.expanduser(path), encoding="utf-8-sig") as file:
            document = Document(file.read())
    except OSError as error:
        return None, [
            Fault(subject, f"{path} cannot be read: {error.strerror}.", "Give the path of a JSON file on this machine.")
        ]
    except UnicodeDecodeError as error:
        return None, [Fault(subject, f"{path} is not UTF-8 (byte {error.start}).", "Save it as UTF-8.")]
    source = Source(subject, path, document.value, document)
    faults = [
        Fault(
            subject,
            f"{source.where(flaw.position)}{flaw.what}.",
            f"Mend the file:\n{caret(document.text, flaw.position)}",
        )
        for flaw in document.flaws
    ]
    return (None if faults else source), faults


def value_faults(source: Source) -> list[Fault]:
    """Faults of hyperparameters whatever their schema says."""
    if not isinstance(source.value, dict):
        return [Fault(source.subject, f"{source.where(0)}it is not a JSON object.", 'Write it as {"epochs": 6}.')]
    return [
        Fault(source.subject, f"{pointer_of(path)} is {value}, which JSON does not have.", "Use a finite number.")
        for path, value in _leaves(source.value, ())
        if isinstance(value, float) and not math.isfinite(value)
    ]


def _leaves(value: t.Any, path: Path) -> t.Iterator[tuple[Path, t.Any]]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _leaves(each, (*path, key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _leaves(each, (*path, index))
    else:
        yield path, value


def pointer_of(path: Path) -> str:
    """A JSON pointer; the whole document is called by name."""
    return "".join("/" + str(each).replace("~", "~0").replace("/", "~1") for each in path) or "the document"


def schema_faults(source: Source, schema_subject: str, schema_path: str, schema: t.Any) -> list[Fault]:
    """Where hyperparameters do not follow their JSON Schema. All of it, in the order of the text."""
    try:
        import jsonschema
        import referencing
        import referencing.exceptions
    except ImportError:
        return [
            Fault(
                schema_subject,
                "the Python library jsonschema is not installed on this machine.",
                "Install it: pip install jsonschema.",
            )
        ]
    validator_class = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    try:
        validator_class.check_schema(schema)
        # An empty registry: a schema must not make this machine fetch addresses.
        errors = sorted(
            validator_class(schema, registry=referencing.Registry()).iter_errors(source.value),
            key=lambda each: source.at(tuple(each.path)),
        )
    except jsonschema.SchemaError as error:
        what = f"{schema_path} is not a JSON Schema: {pointer_of(tuple(error.path))}: {error.message}."
        return [Fault(schema_subject, what, "Mend the schema.")]
    except referencing.exceptions.Unresolvable as error:
        return [
            Fault(
                schema_subject,
                f'{schema_path} refers to "{error.ref}", which is not in it.',
                "Put all of the schema in one file.",
            )
        ]
    return [fault for error in errors for fault in _faults_of(source, error)]


def _faults_of(source: Source, error: t.Any) -> list[Fault]:
    path: Path = tuple(error.path)
    pointer = pointer_of(path)
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = list(error.schema.get("properties", {}))
        patterns = list(error.schema.get("patternProperties", {}))
        unknown = [
            key for key in error.instance if key not in known and not any(re.search(each, key) for each in patterns)
        ]
        if unknown and error.validator_value is False:
            return [_unknown_key(source, path, key, known) for key in unknown]
    where = source.where(source.at(path))
    if error.validator == "required":
        missing = next(
            (key for key in error.validator_value if key not in error.instance and f"{key!r}" in error.message), ""
        )
        return [
            Fault(
                source.subject,
                f'{where}{pointer} misses "{missing}".',
                f'Add "{missing}"{_meaning(error.schema, missing)}.',
            )
        ]
    return [Fault(source.subject, f"{where}{pointer}: {_in_json(error)}.", "Mend the value.")]


def _unknown_key(source: Source, path: Path, key: str, known: t.Sequence[str]) -> Fault:
    near = difflib.get_close_matches(key, known, n=1)
    fix = f'Did you mean "{near[0]}"?' if near else "Known are: " + ", ".join(sorted(known)) + "."
    return Fault(
        source.subject,
        f'{source.where(source.at(path, key))}{pointer_of((*path, key))}: there is no hyperparameter "{key}".',
        fix,
    )


def _meaning(schema: t.Mapping[str, t.Any], key: str) -> str:
    text = str(schema.get("properties", {}).get(key, {}).get("description", "")).rstrip(".")
    return f" ({text})" if text else ""


def _in_json(error: t.Any) -> str:
    """What is wrong, with values as JSON writes them and not as Python does."""
    value = json.dumps(error.instance)
    shown = value if len(value) <= 80 else value[:77] + "..."
    return {
        "type": f"{shown} is not of type {error.validator_value}",
        "enum": f"{shown} is not one of {json.dumps(error.validator_value)}",
        "minimum": f"{shown} is less than {error.validator_value}",
        "maximum": f"{shown} is more than {error.validator_value}",
        "exclusiveMinimum": f"{shown} is not more than {error.validator_value}",
        "exclusiveMaximum": f"{shown} is not less than {error.validator_value}",
    }.get(error.validator, error.message)
