"""Event files by TensorBoard's own writer: python make_event_fixtures.py <folder>

Writes events.json, the content of the file, and events.bin, its bytes: the records of RecordWriter (TFRecord's frame with its
masked checksums) around Event messages serialized by protobuf.
"""

import json
import sys
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.summary.writer.record_writer import RecordWriter

TIME = 1764158400.25
EVENTS = [
    {"time": 1764158400.5, "step": 0, "values": [{"tag": "train/eval_accuracy", "value": 0.0, "description": "share — λ, |λ|"}]},
    {"time": 1764158401.125, "step": 1, "values": [
        {"tag": "train/loss", "value": -0.125, "description": "−J"},
        {"tag": "train/tokens", "value": 16777216.0},
        {"tag": "train/kl", "value": 1e-7},
    ]},
    {"time": 1764158402.0, "step": 300, "values": [{"tag": "x" * 200, "value": 3.4e38}]},
    {"time": 1764158403.0, "step": 2**40, "values": []},
]


def scalar(value):
    metadata = None
    if "description" in value:
        metadata = SummaryMetadata(summary_description=value["description"])
    return Summary.Value(tag=value["tag"], simple_value=value["value"], metadata=metadata)


def main():
    folder = Path(sys.argv[1])
    with open(folder / "events.bin", "wb") as file:
        writer = RecordWriter(file)
        writer.write(Event(wall_time=TIME, file_version="brain.Event:2").SerializeToString())
        writer.write(Event(wall_time=TIME, session_log=SessionLog(status=SessionLog.START)).SerializeToString())
        for event in EVENTS:
            summary = Summary(value=[scalar(value) for value in event["values"]])
            writer.write(Event(wall_time=event["time"], step=event["step"], summary=summary).SerializeToString())
        writer.flush()
    (folder / "events.json").write_text(json.dumps({"time": TIME, "events": EVENTS}, indent=1, ensure_ascii=False) + "\n")


main()
