"""Sampling with OpenVINO GenAI, the peer of bench/trl.bench.ts: continuous batching and prefix caching, float32 throughout, or with
weights in int8 and OpenVINO's dynamic quantization of what they multiply. optimum-intel converts the model once, into a cache folder.

    python bench/openvino_peer.py '{"folder": ..., "cache": ..., "prompts": [[...]], "samples": 8, "tokens": 48, ...}'

Prints one line of JSON: sampled tokens per second, the median after the first repetition.
"""

import json
import os
import statistics
import sys
import time

import numpy
import openvino
import openvino_genai


def convert(job):
    if os.path.exists(os.path.join(job["cache"], "openvino_model.xml")):
        return
    from optimum.exporters.openvino import main_export
    from optimum.intel import OVConfig, OVWeightQuantizationConfig

    if job["precision"] == "int8":
        ov_config = OVConfig(dtype="int8", quantization_config=OVWeightQuantizationConfig(bits=8))
    else:
        ov_config = OVConfig(dtype="fp32")
    main_export(job["folder"], job["cache"], task="text-generation-with-past", ov_config=ov_config)


def main():
    job = json.loads(sys.argv[1])
    convert(job)
    scheduler = openvino_genai.SchedulerConfig()
    scheduler.enable_prefix_caching = True
    scheduler.cache_size = 1
    scheduler.max_num_batched_tokens = 4096
    pipeline = openvino_genai.ContinuousBatchingPipeline(
        job["cache"],
        scheduler,
        "CPU",
        {
            "INFERENCE_PRECISION_HINT": "f32",
            "KV_CACHE_PRECISION": "f32",
            "INFERENCE_NUM_THREADS": job["threads"],
            **({"DYNAMIC_QUANTIZATION_GROUP_SIZE": "32"} if job["precision"] == "int8" else {}),
        },
    )
    config = openvino_genai.GenerationConfig()
    config.do_sample = True
    config.temperature = 1.0
    config.top_k = 0
    config.top_p = 1.0
    config.max_new_tokens = job["tokens"]
    config.min_new_tokens = job["tokens"]
    config.ignore_eos = True
    config.num_return_sequences = job["samples"]
    prompts = [openvino.Tensor(numpy.array([prompt], dtype=numpy.int64)) for prompt in job["prompts"]]
    rates = []
    for repetition in range(job["repetitions"]):
        config.rng_seed = repetition
        started = time.perf_counter()
        results = pipeline.generate(prompts, [config] * len(prompts))
        seconds = time.perf_counter() - started
        sampled = sum(len(ids) for result in results for ids in result.m_generation_ids)
        rates.append(sampled / seconds)
    rate = statistics.median(rates[1:])
    print(json.dumps({"tokensPerSecond": rate, "version": openvino_genai.__version__.split("-")[0]}))


if __name__ == "__main__":
    main()
