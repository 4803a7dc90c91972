# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command line of the lab: python -m lab up | down | status | images."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from lab import daemon, images, preflight
from lab.errors import LabError
from lab.latency import NOW, TABLES
from lab.settings import DEFAULT_PORT, DEFAULT_STATE, Settings
from lab.sweep import Swept, sweep

DESCRIPTION = "An AWS account on this machine: moto answers the API, instances are containers you can SSH into."


def main() -> int:
    arguments = parser().parse_args()
    settings = Settings(Path(arguments.state).resolve(), arguments.port)
    settings.state.mkdir(parents=True, exist_ok=True)
    try:
        return int(arguments.run(settings, arguments))
    except (LabError, images.ImageError) as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--state",
        default=DEFAULT_STATE,
        metavar="DIR",
        help="where the lab keeps its files; labs of different directories live side by side (default: %(default)s)",
    )
    common.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help="port of the AWS endpoint on 127.0.0.1 (default: %(default)s)"
    )
    top = argparse.ArgumentParser(prog="python -m lab", description=DESCRIPTION)
    verbs = top.add_subparsers(required=True, metavar="VERB")
    for name, run, text in (
        ("up", up, "start the account; says so when it is up already"),
        ("down", down, "stop it and remove every container, network and volume of it, also after a crash"),
        ("status", status, "say what runs; exit status 1 when nothing does"),
        ("images", build_images, "build the machine images that are missing"),
    ):
        verb = verbs.add_parser(name, parents=[common], help=text, description=text)
        verb.set_defaults(run=run)
        if name == "up":
            add_latency(verb)
        if name == "down":
            verb.add_argument(
                "--purge",
                action="store_true",
                help="also remove the container images that were pushed to the lab's registry",
            )
    hidden = verbs.add_parser("serve", parents=[common])  # the background process itself; `up` starts it
    add_latency(hidden)
    hidden.set_defaults(run=serve)
    return top


def add_latency(verb: argparse.ArgumentParser) -> None:
    text = "how long calls and transitions take: aws is 80 ms a call, 60 s for a NAT gateway (default: %(default)s)"
    verb.add_argument("--latency", default="none", choices=tuple(TABLES), help=text)


def up(settings: Settings, arguments: argparse.Namespace) -> int:
    say = stages()
    found = daemon.status(settings)
    if found:
        say(f"already up at {found['endpoint']}, pid {found['pid']}, latency {found['latency']}")
        return 0
    client = preflight.docker_client()
    daemon.stop(settings)
    images.build(client, say)
    swept = sweep(client, settings)
    if swept.removed:
        say(f"removed {len(swept.removed)} orphans of an earlier lab")
    warn_of_what_is_left(swept)
    faults = preflight.faults(settings, client)
    for fault in faults:
        print(f"lab: {fault.what} Fix: {fault.fix}", file=sys.stderr)
    if any(fault.fatal for fault in faults):
        return 1
    found = daemon.start(settings, ["--latency", arguments.latency])
    say(f"AWS account at {found['endpoint']}, public addresses {found['public_range']}, log {settings.log_file}")
    print(f"lab: use it with: source {settings.env_file}")
    return 0


def down(settings: Settings, arguments: argparse.Namespace) -> int:
    say = stages()
    stopped = daemon.stop(settings)
    client = preflight.docker_client()
    swept = sweep(client, settings, purge=arguments.purge)
    settings.env_file.unlink(missing_ok=True)
    say(f"stopped, {len(swept.removed)} things removed" if stopped or swept.removed else "was not up")
    warn_of_what_is_left(swept)
    return 1 if swept.left else 0


def warn_of_what_is_left(swept: Swept) -> None:
    for name, problem in swept.left.items():
        print(
            f"lab: {name} cannot be removed: {problem}. Fix: restart the Docker engine, then: python -m lab down",
            file=sys.stderr,
        )


def status(settings: Settings, _: argparse.Namespace) -> int:
    found = daemon.status(settings)
    if not found:
        print(f"lab: not up (state {settings.state})")
        return 1
    for name, value in found.items():
        print(f"{name}: {value}")
    return 0


def build_images(_settings: Settings, _: argparse.Namespace) -> int:
    built = images.build(preflight.docker_client(), stages())
    print(f"box: {built.box}\nbox with Docker: {built.box_deep_learning}\nservices: {built.services}")
    return 0


def serve(settings: Settings, arguments: argparse.Namespace) -> int:
    from lab import server

    NOW.choose(arguments.latency)
    client = preflight.docker_client()
    server.serve(settings, client, images.build(client, print))
    return 0


def stages() -> Callable[[str], None]:
    """Print one line a stage, with the seconds since the start."""
    started = time.monotonic()
    return lambda text: print(f"lab: {text} ({time.monotonic() - started:.1f} s)", flush=True)


if __name__ == "__main__":
    sys.exit(main())
