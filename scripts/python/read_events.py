"""Prints what TensorBoard reads from a run folder: python read_events.py <folder>

Prints JSON: {tag: [[step, time, value], …]} and the descriptions of the tags, by EventAccumulator, which checks every checksum.
"""

import json
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

accumulator = EventAccumulator(sys.argv[1], size_guidance={"tensors": 0, "scalars": 0})
accumulator.Reload()


def scalars(tag):
    try:
        return [[event.step, event.wall_time, event.value] for event in accumulator.Scalars(tag)]
    except KeyError:
        return [[event.step, event.wall_time, float(event.tensor_proto.float_val[0])] for event in accumulator.Tensors(tag)]


tags = accumulator.Tags()
names = sorted([*tags["scalars"], *tags["tensors"]])
print(
    json.dumps(
        {
            "values": {name: scalars(name) for name in names},
            "descriptions": {name: accumulator.SummaryMetadata(name).summary_description for name in names},
        }
    )
)
