# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module sees of the process that it runs in."""

from __future__ import annotations

import locale
import os
import resource
import signal
import sys
import threading

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.example.probe.plugins.module_utils.shared import VALUE


def main() -> None:
    module = AnsibleModule(
        {"text": {"type": "str"}, "secret": {"type": "str", "no_log": True}}, supports_check_mode=True
    )
    umask = os.umask(0o22)
    module.exit_json(
        arguments=sys.argv,
        check_mode=module.check_mode,
        diff=module._diff,
        directory=os.getcwd(),
        encodings=[stream.encoding + stream.errors for stream in (sys.stdin, sys.stdout, sys.stderr)],
        environment=dict(os.environ),
        executable=sys.executable,
        file_limit=resource.getrlimit(resource.RLIMIT_NOFILE),
        flags=str(sys.flags),
        input=sys.stdin.read(),
        interrupt=str(signal.getsignal(signal.SIGINT)),
        locale=locale.getlocale(),
        params=module.params,
        pipe=str(signal.getsignal(signal.SIGPIPE)),
        shared=VALUE,
        threads=threading.active_count(),
        umask=umask,
        utf8=sys.getfilesystemencoding(),
        verbosity=module._verbosity,
    )


if __name__ == "__main__":
    main()
