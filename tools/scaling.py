#!/usr/bin/env python3
"""Simulates data-parallel training of S0 to S4 on many GPUs, and prints the tables of docs/distributed.md.

usage: tools/scaling.py PIPELINE

The layers' parameters and multiply-adds are the program's own (`pipeline info --json`); speed of GPUs and networks are the
assumptions below. A step is a forward pass and a backward pass of twice its length. The backward pass goes from the last layer to
the first; when it has filled a bucket of gradients, its all-reduce queues behind those before it. The step ends with the later of
backward pass and last all-reduce.
"""
import json
import math
import subprocess
import sys

BATCH = 128  # images of a GPU: 1024 over 8
GPUS_PER_NODE = 8
FIRST_BUCKET = 1 << 20  # bytes; DistributedDataParallel's
BUCKETS = [25, 4]  # MiB: `train.reduce.buckets_mb`
# Assumption: what a GPU sustains on these networks, which are bound by memory and not by arithmetic.
SUSTAINED = 10e12  # floating-point operations per second
# Assumptions: usable share of a link, and time of a message over one hop.
LINK_SHARE = 0.8
HOP = 10e-6
NETWORKS = [("25 Gbit/s", 25e9 / 8), ("100 Gbit/s", 100e9 / 8)]
NVLINK = 200e9  # bytes per second of a ring within a node
IMAGE_BYTES = 110e3  # mean of ImageNet's training images
WORLDS = [8, 64, 512]


def layers(program, variant):
    out = subprocess.run([program, "info", variant, "--json"], check=True, capture_output=True).stdout
    return [(layer["train"]["parameters"], layer["train"]["macs"]) for layer in json.loads(out)["layers"]]


def all_reduce(size, world, link):
    """A ring for the bytes, a tree for the hops. Across nodes, a node's link carries what its GPUs send together once."""
    nodes = max(1, world // GPUS_PER_NODE)
    within = 2 * (GPUS_PER_NODE - 1) / GPUS_PER_NODE * size / NVLINK
    between = 2 * (nodes - 1) / nodes * size / (link * LINK_SHARE) if nodes > 1 else 0.0
    return within + between + 2 * math.ceil(math.log2(world)) * HOP


def step(net, world, link, bucket=BUCKETS[0]):
    """Seconds of a step in `world` processes."""
    forward = sum(macs for _, macs in net) * BATCH * 2 / SUSTAINED
    total = sum(macs for _, macs in net)
    now, free, filled, limit = forward, 0.0, 0, FIRST_BUCKET
    for parameters, macs in reversed(net):
        now += 2 * forward * macs / total
        filled += 4 * parameters
        if filled >= limit:
            free = max(free, now) + all_reduce(filled, world, link)
            filled, limit = 0, bucket << 20
    if filled:
        free = max(free, now) + all_reduce(filled, world, link)
    return max(now, free) if world > 1 else now


def main():
    program = sys.argv[1]
    variants = {name: layers(program, name) for name in ["s0", "s1", "s2", "s3", "s4"]}
    print("| variant | parameters in train form | sent per step | step alone | all-reduce alone: NVLink, 8 GPUs | "
          + " | ".join(f"{name}, 64 GPUs" for name, _ in NETWORKS) + " |")
    print("|---|---|---|---|---|---|---|")
    for name, net in variants.items():
        size = 4 * sum(parameters for parameters, _ in net)
        times = [all_reduce(size, 8, NVLINK)] + [all_reduce(size, 64, link) for _, link in NETWORKS]
        cells = [f"{size / 4e6:.1f} M", f"{size / 1e6:.0f} MB", f"{step(net, 1, NVLINK) * 1e3:.0f} ms"]
        cells += [f"{time * 1e3:.1f} ms" for time in times]
        print(f"| {name} | " + " | ".join(cells) + " |")
    print()
    columns = [(bucket, world) for bucket in BUCKETS for world in WORLDS]
    print("| variant | network | " + " | ".join(f"{world} GPUs, {bucket} MiB" for bucket, world in columns) + " |")
    print("|---|---|" + "---|" * len(columns))
    for name, net in variants.items():
        alone = step(net, 1, NVLINK)
        for network, link in NETWORKS:
            shares = [f"{100 * alone / step(net, world, link, bucket):.0f} %" for bucket, world in columns]
            print(f"| {name} | {network} | " + " | ".join(shares) + " |")
    print()
    print("| variant | images/s of a GPU | images/s of a node | disk of a node | processor threads of a node at 150 images/s each |")
    print("|---|---|---|---|---|")
    for name, net in variants.items():
        rate = BATCH / step(net, 1, NVLINK)
        node = rate * GPUS_PER_NODE
        print(f"| {name} | {rate:.0f} | {node:.0f} | {node * IMAGE_BYTES / 1e6:.0f} MB/s | {math.ceil(node / 150)} |")


if __name__ == "__main__":
    main()
