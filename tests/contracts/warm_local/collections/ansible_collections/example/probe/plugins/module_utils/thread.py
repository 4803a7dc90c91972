# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

import threading

DONE = threading.Event()
THREAD = threading.Thread(target=DONE.wait, daemon=True)
THREAD.start()
