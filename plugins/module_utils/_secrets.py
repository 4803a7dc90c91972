# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to trainyard.aws: may change without notice.
"""Secrets of a run by reference: how one is written, and what it takes to read it. Pure; no value of a secret is ever known here."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

PARAMETER_STORE, SECRETS_MANAGER = "ssm", "secretsmanager"
ACTIONS = {PARAMETER_STORE: "ssm:GetParameter", SECRETS_MANAGER: "secretsmanager:GetSecretValue"}
FORMS = (
    "Write it as ssm:/team/hf-token or secretsmanager:wandb, or as its ARN; for one value of a JSON secret add its key, "
    "as in secretsmanager:wandb#api_key."
)
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,62}")
_NAME = {
    PARAMETER_STORE: re.compile(r"/?[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*"),
    SECRETS_MANAGER: re.compile(r"[A-Za-z0-9/_+=.@-]+"),
}
_ARN = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):(?P<store>ssm|secretsmanager):(?P<region>[a-z0-9-]+):(?P<account>\d{12}):"
    r"(?:parameter(?P<path>/[^#\s]+)|secret:(?P<name>[^#\s]+))"
)
# Six characters that Secrets Manager puts behind a name, so that a secret made anew under it is another one.
_SUFFIX = "-??????"


@dataclass(frozen=True)
class Reference:
    """Where a secret lies. ``name`` is its name or its ARN; ``region`` is empty where it is the node's own."""

    store: str
    name: str
    key: str = ""
    region: str = ""

    @property
    def action(self) -> str:
        return ACTIONS[self.store]

    def arn(self, region: str, account: str) -> str:
        """What a policy names."""
        if self.region:
            return self.name
        partition = "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"
        what = f"parameter/{self.name.lstrip('/')}" if self.store == PARAMETER_STORE else f"secret:{self.name}{_SUFFIX}"
        return f"arn:{partition}:{self.store}:{region}:{account}:{what}"


def reference_of(text: t.Any) -> Reference:
    """Raises ValueError with what is wrong with it."""
    if not isinstance(text, str) or not text:
        raise ValueError("it says no place of a secret.")
    place, dummy, key = text.partition("#")
    if dummy and not key:
        raise ValueError(f"{text!a} has no key after the #.")
    found = _ARN.fullmatch(place)
    if found and (found["store"] == PARAMETER_STORE) == bool(found["path"]):
        return Reference(found["store"], place, key, found["region"])
    store, dummy, name = place.partition(":")
    if store not in _NAME or not _NAME[store].fullmatch(name):
        raise ValueError(f"{text!a} is no place of a secret.")
    return Reference(store, name, key)


def secret_fault(name: t.Any, place: t.Any) -> str:
    """What is wrong with the name of a secret's file or with where the secret lies, or nothing."""
    if not isinstance(name, str) or not _FILE.fullmatch(name):
        rule = "letters, digits, dots, hyphens and underscores, at most 63, no dot or hyphen first."
        return f"{name!a} is no name of a file: {rule}"
    try:
        reference_of(place)
    except ValueError as error:
        return f"{name}: {error}"
    return ""


def arns_of(references: t.Iterable[str], region: str, account: str) -> dict[str, list[str]]:
    """What a policy must allow, by action, so that secrets can be read. Raises ValueError."""
    found: dict[str, set[str]] = {}
    for each in map(reference_of, references):
        found.setdefault(each.action, set()).add(each.arn(region, account))
    return {action: sorted(arns) for action, arns in sorted(found.items())}
