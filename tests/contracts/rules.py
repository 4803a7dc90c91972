# Copyright (c) 2026, The trainyard developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be true of the files of this collection. Each rule takes the root and answers with what breaks it."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

SHIPPED = ("meta", "plugins", "roles", "playbooks")  # all that is left of an installed collection, as far as it counts
SHARED_PREFIX = "stack_"
LONGEST_MAIN = 40
LONGEST_FUNCTION = 50
FRAGMENT_NAME = re.compile(r"\d+-[a-z0-9]+(-[a-z0-9]+)*\.ya?ml")
FRAGMENT_SECTIONS = {
    "release_summary",
    "major_changes",
    "minor_changes",
    "breaking_changes",
    "deprecated_features",
    "removed_features",
    "security_fixes",
    "bugfixes",
    "known_issues",
    "trivial",
}
TEXT = {"", ".cfg", ".in", ".j2", ".json", ".md", ".py", ".service", ".sh", ".toml", ".txt", ".yaml", ".yml"}
# Written in pieces, so that this file does not break the rules it states.
PACKAGE_HOSTS = re.compile(r"(pypi|python" + r"hosted|registry-1.docker|galaxy.ansible|npmjs)\.(org|io|com)")
UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
ONE_MACHINE = re.compile(r"(?<![\w.}~$])/(root|work|farm)" + r"/")
EVERYBODY = {"0.0.0.0/0", "::/0"}


# ---- Reading -------------------------------------------------------------------------------------------------------


class Loader(yaml.SafeLoader):
    """YAML with the tags of Ansible taken as plain values."""


Loader.add_multi_constructor("!", lambda loader, suffix, node: getattr(node, "value", None))


@lru_cache(maxsize=4096)
def load(path: Path) -> Any:
    return yaml.load(path.read_bytes(), Loader=Loader)  # noqa: S506 - a safe loader


def files(root: Path, *folders: str, suffixes: tuple[str, ...] = (".yml",)) -> list[Path]:
    """The files that belong to the project: those that git has or would take."""
    if (root / ".git").exists():
        command = ["git", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        everything = [path for path in (root / line for line in listed) if path.is_file()]
    else:
        everything = [path for path in root.rglob("*") if path.is_file()]
    wanted = [root / folder for folder in folders] or [root]
    return sorted(
        path for path in everything if path.suffix in suffixes and any(path.is_relative_to(each) for each in wanted)
    )


def roles(root: Path) -> list[Path]:
    return sorted(
        {
            root / "roles" / path.relative_to(root / "roles").parts[0]
            for path in files(root, "roles", suffixes=(".yml", ".md"))
        }
    )


def entry_points(role: Path) -> dict[str, Any]:
    path = role / "meta" / "argument_specs.yml"
    return load(path)["argument_specs"] if path.is_file() else {}


def options(role: Path) -> dict[str, list[dict[str, Any]]]:
    """Each input of a role with its declarations, one for each entry point that takes it."""
    declared: dict[str, list[dict[str, Any]]] = {}
    for entry_point in entry_points(role).values():
        for name, option in (entry_point.get("options") or {}).items():
            declared.setdefault(name, []).append(option)
    return declared


def defaults(role: Path) -> dict[str, Any]:
    path = role / "defaults" / "main.yml"
    return (load(path) or {}) if path.is_file() else {}


def tasks(content: Any) -> Iterator[dict[str, Any]]:
    """Every task and play in a file, however deep."""
    if isinstance(content, list):
        for item in content:
            yield from tasks(item)
    elif isinstance(content, dict):
        yield content
        for key in ("tasks", "pre_tasks", "post_tasks", "handlers", "block", "rescue", "always"):
            yield from tasks(content.get(key))


def all_tasks(root: Path, *folders: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in files(root, *folders):
        for task in tasks(load(path)):
            yield str(path.relative_to(root)), task


def matches(root: Path, pattern: re.Pattern[str], *folders: str, suffixes: tuple[str, ...] = tuple(TEXT)) -> list[str]:
    found = []
    for path in files(root, *folders, suffixes=suffixes):
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if match := pattern.search(line):
                found.append(f"{path.relative_to(root)}:{number}: {match.group()}")
    return found


# ---- Roles ---------------------------------------------------------------------------------------------------------


def role_is_complete(root: Path) -> list[str]:
    """Every role has a README, a description, a specification and tasks."""
    wanted = ("README.md", "meta/main.yml", "meta/argument_specs.yml", "tasks")
    return [f"{role.name} lacks {name}" for role in roles(root) for name in wanted if not (role / name).exists()]


def defaults_equal_specification(root: Path) -> list[str]:
    """The specification validates and the defaults set, so each default stands in both, and is the same."""
    broken = []
    for role in roles(root):
        declared, set_by_default = options(role), defaults(role)
        for name in sorted(declared.keys() | set_by_default.keys()):
            in_specification = [option["default"] for option in declared.get(name, []) if "default" in option]
            in_defaults = [set_by_default[name]] if name in set_by_default else []
            if name not in declared:
                broken.append(f"{role.name}: {name} has a default and is not declared")
            elif any(value != in_defaults[0] for value in in_specification) if in_defaults else in_specification:
                broken.append(
                    f"{role.name}: {name} has the default {in_specification} in the specification, {in_defaults} in defaults/main.yml"
                )
            elif in_defaults and not in_specification:
                broken.append(f"{role.name}: {name} has a default in defaults/main.yml only")
    return broken


def inputs_carry_the_prefix(root: Path) -> list[str]:
    """Inputs start with the name of their role, or with the shared prefix."""
    return [
        f"{role.name}: {name}"
        for role in roles(root)
        for name in sorted(options(role).keys() | defaults(role).keys())
        if not name.startswith((f"{role.name}_", SHARED_PREFIX))
    ]


def names_made_in_roles_carry_the_prefix(root: Path) -> list[str]:
    """What a role registers, sets or loops over starts with its name; what nobody outside may use, with two underscores."""
    broken = []
    for role in roles(root):
        for place, task in all_tasks(root, f"roles/{role.name}/tasks", f"roles/{role.name}/handlers"):
            made = [name for name in names_made(task) if not name.startswith((f"__{role.name}_", f"{role.name}_"))]
            broken += [f"{place}: {name}" for name in made]
    return broken


def names_made(task: dict[str, Any]) -> list[str]:
    made = [task["register"]] if isinstance(task.get("register"), str) else []
    made += list(task.get("ansible.builtin.set_fact") or {})
    loop = task.get("loop_control") or {}
    return [name for name in [*made, loop.get("loop_var"), loop.get("index_var")] if name and name != "cacheable"]


def vars_are_internal(root: Path) -> list[str]:
    """What stands in vars/ outranks the inventory, so no public name may stand there."""
    return [
        f"{path.relative_to(root)}: {name}"
        for role in roles(root)
        for path in files(root, f"roles/{role.name}/vars")
        for name in load(path) or {}
        if not name.startswith("__")
    ]


# ---- Playbooks and inventories ---------------------------------------------------------------------------------------


def used_names_exist(root: Path) -> list[str]:
    """A name that starts like a role's, in a playbook, an inventory or a run, is an input of a role or a result of one."""
    known = known_names(root)
    prefixes = "|".join([*(f"{role.name}_" for role in roles(root)), SHARED_PREFIX])
    pattern = re.compile(rf"(?<![\w./-])({prefixes})\w+(?![\w/]|\.(?:yml|py|j2))")
    broken = []
    for path in files(root, "playbooks", "inventories", "examples", suffixes=(".yml",)):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            words = [
                match.group() for match in pattern.finditer(line.split(" #", 1)[0]) if not line.lstrip().startswith("#")
            ]
            broken += [f"{path.relative_to(root)}:{number}: {word}" for word in words if word not in known]
    return broken


def known_names(root: Path) -> set[str]:
    known = {path.stem for path in files(root, "plugins", suffixes=(".py",))} | {role.name for role in roles(root)}
    for role in roles(root):
        known |= options(role).keys()
        for path in files(root, f"roles/{role.name}/tasks"):
            known.add(path.stem)
            for task in tasks(load(path)):
                known.update(names_made(task))
    return known


def entry_points_are_called_by_name(root: Path) -> list[str]:
    """With a file extension Ansible skips the validation of the entry point without a word."""
    return matches(
        root,
        re.compile(r"tasks_from:\s*\S*\.ya?ml"),
        *SHIPPED,
        "extensions",
        "examples",
        suffixes=(".yml", ".md", ".py"),
    )


def called_entry_points_are_specified(root: Path) -> list[str]:
    """An entry point without a specification is not validated either."""
    broken = []
    for place, task in all_tasks(root, "playbooks"):
        call = task.get("ansible.builtin.include_role") or task.get("ansible.builtin.import_role") or {}
        name, entry_point = str(call.get("name")).rsplit(".", 1)[-1], str(call.get("tasks_from", "main"))
        if call and "{" not in f"{name}{entry_point}" and entry_point not in entry_points(root / "roles" / name):
            broken.append(f"{place}: {name} has no specification of {entry_point}")
    return broken


def the_world_is_not_let_in(root: Path) -> list[str]:
    """No ingress rule and no inventory allows every address."""
    broken = []
    for place, task in all_tasks(root, "roles", "playbooks"):
        arguments = task.get("amazon.aws.ec2_security_group")
        rules = arguments.get("rules") if isinstance(arguments, dict) else None
        if any(address in str(rules) for address in EVERYBODY):
            broken.append(f"{place}: {task.get('name')}")
    for path in files(root, "inventories"):
        content = load(path)
        if isinstance(content, dict) and EVERYBODY & set(content.get("stack_allowed_cidrs") or ()):
            broken.append(f"{path.relative_to(root)}: stack_allowed_cidrs")
    return broken


# ---- Everything ------------------------------------------------------------------------------------------------------


def shipped_content_stands_alone(root: Path) -> list[str]:
    """What is installed knows neither the lab nor any folder that is not installed with it."""
    reads = re.compile(r"\blab\b|(\.\./|playbook_dir|role_path|__file__).*\b(inventories|examples|tests)/")
    return matches(root, reads, *SHIPPED)


def host_keys_are_checked(root: Path) -> list[str]:
    """Nowhere is the check of host keys switched off; and users know the key before they first connect."""
    never = re.compile(
        r"(?i)StrictHostKeyChecking[ =]+(no|off)\b|UserKnownHostsFile[ =]+/dev/null|host_key_checking *[=:] *false"
    )
    trusting = re.compile(r"(?i)StrictHostKeyChecking[ =]+accept-new")
    everywhere = matches(root, never, *SHIPPED, "inventories", "extensions", "lab", "tools", "ansible.cfg")
    return everywhere + matches(root, trusting, *SHIPPED, "inventories")


def errors_are_not_ignored(root: Path) -> list[str]:
    """What failure is stands in failed_when."""
    return matches(root, re.compile(r"^\s*ignore_" r"errors:"), "roles", "playbooks", "extensions", suffixes=(".yml",))


def no_package_host_is_named(root: Path) -> list[str]:
    """Packages come through the ordinary clients, from wherever they are set up to look."""
    return matches(root, PACKAGE_HOSTS)


def nothing_is_unfinished(root: Path) -> list[str]:
    """No notes to ourselves, and no path that only one machine has."""
    return matches(root, UNFINISHED) + matches(root, ONE_MACHINE)


def fragments_are_valid(root: Path) -> list[str]:
    """Each change for users has a fragment, and the next release can be made of them."""
    folder = root / "changelogs" / "fragments"
    broken = []
    for path in files(root, "changelogs/fragments", suffixes=(".yml", ".yaml", ".md", "")):
        content = load(path)
        if not FRAGMENT_NAME.fullmatch(path.name):
            broken.append(f"{path.name} is not named <issue>-<topic>.yml")
        if not isinstance(content, dict) or not content or not content.keys() <= FRAGMENT_SECTIONS:
            broken.append(f"{path.name} has other sections than {', '.join(sorted(FRAGMENT_SECTIONS))}")
    released = (
        load(root / "changelogs" / "changelog.yaml")["releases"]
        if (root / "changelogs" / "changelog.yaml").is_file()
        else {}
    )
    return broken or ([] if released or list(folder.glob("*.yml")) else ["no fragment and no release"])


# ---- Python ----------------------------------------------------------------------------------------------------------


def functions(root: Path, *folders: str) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for path in files(root, *folders, suffixes=(".py",)):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield str(path.relative_to(root)), node


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def modules_are_thin(root: Path) -> list[str]:
    """A module is its documentation and a short main()."""
    return [
        f"{place}: main() has {length(function)} lines"
        for place, function in functions(root, "plugins/modules")
        if function.name == "main" and length(function) > LONGEST_MAIN
    ]


def functions_are_short(root: Path) -> list[str]:
    """A function fits on a screen."""
    return [
        f"{place}:{function.lineno}: {function.name}() has {length(function)} lines"
        for place, function in functions(root, "plugins", "lab", "tools", "examples", "extensions")
        if length(function) > LONGEST_FUNCTION and not function.name.startswith("test_")
    ]


def helpers_are_typed(root: Path) -> list[str]:
    """Every function that modules and plugins share says what it takes and gives."""
    broken = []
    for place, function in functions(root, "plugins/module_utils", "plugins/plugin_utils"):
        arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        untyped = [each.arg for each in arguments if each.annotation is None and each.arg not in ("self", "cls")]
        if untyped or function.returns is None:
            broken.append(f"{place}:{function.lineno}: {function.name}({', '.join(untyped)})")
    return broken


def helpers_are_private(root: Path) -> list[str]:
    """The file name says that others must not import it."""
    return [
        str(path.relative_to(root))
        for path in files(root, "plugins/module_utils", "plugins/plugin_utils", suffixes=(".py",))
        if not path.name.startswith("_")
    ]


def plugins_state_the_licence(root: Path) -> list[str]:
    """Modules of a collection are under the GNU GPL, and each file says so."""
    return [
        str(path.relative_to(root))
        for path in files(root, "plugins", suffixes=(".py",))
        if "SPDX-License-Identifier: GPL-3.0-or-later" not in path.read_text(encoding="utf-8")[:1000]
        and path.stat().st_size
    ]
