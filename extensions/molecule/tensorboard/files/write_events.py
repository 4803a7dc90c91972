# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Append losses to an event file, as a training does by TensorBoard's own writer: write_events.py FILE STEP..."""

import sys
import time
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

path = Path(sys.argv[1])
path.parent.mkdir(parents=True, exist_ok=True)
with path.open("ab") as file:
    writer = RecordWriter(file)
    if not file.tell():
        writer.write(Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString())
    for step in map(int, sys.argv[2:]):
        loss = Summary(value=[Summary.Value(tag="loss", simple_value=2.0**-step)])
        writer.write(Event(wall_time=time.time(), step=step, summary=loss).SerializeToString())
