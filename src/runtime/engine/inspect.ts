/**
 * A step run op by op with a look at each result, to find the op that made a value which is not finite out of values that were.
 * Slow: for the one step that failed.
 */
import { engine, Tensor } from '@tensorflow/tfjs-core';
import { backwardOf } from './differentiate.js';
import { placeOf, withDeepStacks } from './tensorflow/places.js';

/** The op where values stopped being finite. */
export interface Culprit {
  /** As a spec would name it. */
  readonly op: string;
  /** Where it stands in the spec, or in the trainer or extern; null where that is not known. */
  readonly place: string | null;
  /** Whether it was the op's gradient, not the op. */
  readonly isGradient: boolean;
  /** Whether it was given such values that no op of the step made: by the data, or as weights. */
  readonly isGiven: boolean;
  /** The first value that is not finite. */
  readonly value: number;
  /** The smallest and largest of its first input. */
  readonly input: { readonly least: number; readonly most: number } | null;
}

interface Made {
  readonly kernel: string;
  /** Whether an input that no op made is not finite. */
  readonly isGiven: boolean;
  readonly ids: readonly number[];
  readonly stack: Error;
  /** The forward op whose gradient this is a part of, by one of its results; null in the forward pass. */
  readonly backward: { readonly kernel: string; readonly output: number } | null;
  /** The first value that is not finite; null where all are. */
  readonly wrong: number | null;
  readonly input: Culprit['input'];
}

/** What a replay throws at its end, so that nothing of it is kept. */
class Replayed extends Error {}

/** Ends a replay: every change that its step was to make is taken back. */
export function endReplay(): never {
  throw new Replayed();
}

/** Whether an error only ends a replay. */
export function isReplayed(error: unknown): boolean {
  return error instanceof Replayed;
}

/** Every op of a run of a step, by what it made. */
export class KernelLog {
  readonly #made = new Map<number, Made>();

  /** Runs `body` and notes each kernel. Values are read, which a step may not do otherwise. */
  watch<T>(body: () => T): T {
    const device = engine();
    const { runKernel } = device;
    const run = runKernel.bind(device);
    device.runKernel = <T extends Tensor | Tensor[]>(
      kernel: string,
      inputs: Parameters<typeof runKernel>[1],
      attributes?: Parameters<typeof runKernel>[2],
    ): T => {
      const made = run<T>(kernel, inputs, attributes);
      const outputs: readonly unknown[] = Array.isArray(made) ? made : [made];
      const given = Object.values(inputs).flatMap((input): Tensor[] =>
        input instanceof Tensor ? [input] : [],
      );
      this.#note(
        kernel,
        given,
        outputs.filter((output) => output instanceof Tensor),
      );
      return made;
    };
    try {
      return withDeepStacks(body);
    } finally {
      device.runKernel = runKernel;
    }
  }

  #note(kernel: string, inputs: readonly Tensor[], outputs: readonly Tensor[]): void {
    const wrong = outputs.map(firstWrong).find((value) => value !== null) ?? null;
    const node = backwardOf();
    const made: Made = {
      kernel,
      isGiven:
        wrong !== null && inputs.some((input) => !this.#made.has(input.id) && firstWrong(input) !== null),
      ids: inputs.map(({ id }) => id),
      stack: new Error('here'),
      backward: node === null ? null : { kernel: node.kernelName, output: node.outputs[0]?.id ?? -1 },
      wrong,
      input: wrong === null ? null : rangeOf(inputs[0]),
    };
    for (const { id } of outputs) this.#made.set(id, made);
  }

  /** Where the wrong values of a tensor come from; null where all are finite, or no op of this run made them so. */
  culpritOf(tensor: Tensor): Culprit | null {
    let at = this.#made.get(tensor.id);
    const seen = new Set<Made>();
    while (at !== undefined && at.wrong !== null && !seen.has(at)) {
      seen.add(at);
      const before: Made | undefined = at.ids
        .flatMap((id) => this.#made.get(id) ?? [])
        .find((made) => made.wrong !== null);
      if (before === undefined) return this.#culprit(at, at.wrong);
      at = before;
    }
    return null;
  }

  #culprit({ kernel, stack, backward, input, isGiven }: Made, value: number): Culprit {
    const forward = backward === null ? null : (this.#made.get(backward.output) ?? null);
    return {
      op: opName(backward?.kernel ?? kernel),
      place: placeOf((forward?.stack ?? stack).stack),
      isGradient: backward !== null,
      isGiven,
      value,
      input,
    };
  }
}

function valuesOf(tensor: Tensor): Iterable<number> {
  if (tensor.dtype !== 'float32') return [];
  const values = engine().backend.readSync(tensor.dataId);
  return values instanceof Float32Array ? values : [];
}

function firstWrong(tensor: Tensor): number | null {
  for (const value of valuesOf(tensor)) if (!Number.isFinite(value)) return value;
  return null;
}

/** The first value of a tensor that is not finite, or null. Only in a replay. */
export const wrongValueOf = firstWrong;

function rangeOf(tensor: Tensor | undefined): Culprit['input'] {
  if (tensor === undefined) return null;
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  for (const value of valuesOf(tensor)) {
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  return least <= most ? { least, most } : null;
}

const spellings: ReadonlyMap<string, string> = new Map([
  ['RealDiv', '/'],
  ['Multiply', '*'],
  ['Add', '+'],
  ['Sub', '-'],
  ['Pow', '**'],
  ['BatchMatMul', 'matmul'],
]);

/** `log_softmax` of `LogSoftmax`. */
function opName(kernel: string): string {
  const plain = kernel.replace(/^_+/, '');
  return spellings.get(plain) ?? plain.replaceAll(/(?<=[a-z0-9])(?=[A-Z])/g, '_').toLowerCase();
}
