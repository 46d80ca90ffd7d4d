"""A peer's side of the measurements: orders at standard input, `{"steps": 64}`, answers at standard output."""

import json
import sys
import time


def answer(**what):
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def peak_memory():
    """Largest resident memory of this process so far, in MiB."""
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return float("nan")


def next_order():
    """How many steps are wanted, or None where it is over."""
    line = sys.stdin.readline()
    order = json.loads(line) if line else {"end": True}
    return None if order.get("end") else order["steps"]


def serve(run, warm_up, at_once=1):
    """`run(n)` takes n steps and returns when they are done; `at_once` of them are one call."""
    run(at_once)
    answer(first=True)
    run(max(at_once, warm_up // at_once * at_once))
    answer(ms=0, steps=0, peak=peak_memory())
    while (steps := next_order()) is not None:
        steps = max(at_once, steps // at_once * at_once)
        began, processor = time.perf_counter(), time.process_time()
        run(steps)
        took, worked = time.perf_counter() - began, time.process_time() - processor
        answer(ms=took * 1e3, cpu=worked * 1e3, steps=steps, peak=peak_memory())
