# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends in each of the ways in which a module should not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from ansible.module_utils.basic import AnsibleModule


def do_raise(module: AnsibleModule) -> None:
    raise RuntimeError("no reason at all")


def do_return(module: AnsibleModule) -> None:
    return


def do_say(module: AnsibleModule) -> None:
    sys.exit("some words instead of a result")


def do_fail(module: AnsibleModule) -> None:
    module.fail_json(msg="it cannot be done: ä ü €", rc=3)


def do_status(module: AnsibleModule) -> None:
    sys.stdout.write('{"changed": false}\n')
    sys.exit(7)


def do_vanish(module: AnsibleModule) -> None:
    os._exit(9)


def do_kill(module: AnsibleModule) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def do_complain(module: AnsibleModule) -> None:
    sys.stderr.write("a complaint\n")
    sys.stdout.write("a line that is no result\n")
    module.exit_json()


def do_bytes(module: AnsibleModule) -> None:
    sys.stdout.buffer.write(b'\xff\xfe {"changed": false}\n')
    sys.exit(0)


def do_much(module: AnsibleModule) -> None:
    module.exit_json(much="x" * 5_000_000)


def do_background(module: AnsibleModule) -> None:
    subprocess.Popen(["sleep", "1"])
    module.exit_json(left=True)


def do_parent(module: AnsibleModule) -> None:
    module.exit_json(parent=os.getppid())


def do_orphan(module: AnsibleModule) -> None:
    os.kill(os.getppid(), signal.SIGKILL)
    with open(module.params["mark"], "a") as mark:
        mark.write("done\n")
    module.exit_json()


def do_sleep(module: AnsibleModule) -> None:
    with open(module.params["mark"], "w") as mark:
        mark.write(str(os.getpid()))
    time.sleep(60)


def main() -> None:
    module = AnsibleModule({"how": {"type": "str"}, "mark": {"type": "path"}})
    globals()[f"do_{module.params['how']}"](module)


if __name__ == "__main__":
    main()
