/**
 * Rows for measurements: a few that repeat for as long as a run lasts, so that reading them costs what a copy of a batch costs and
 * no more. The peers get the same sizes.
 */
import type { data } from 'ztrain/runtime';

/** So many that the end of an epoch is rare. */
const rows = 2 ** 26;
/** Rows that differ. */
const distinct = 512;

/** Numbers from 0 to 1 that are the same in every run. */
function uniform(count: number): Float32Array {
  let state = 12_345;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  });
}

/** Rows of `size` numbers and a class. */
function classified(size: number, classes: number): data.RowSource {
  const x = uniform(distinct * size);
  return {
    length: rows,
    read(indices) {
      const out = new Float32Array(indices.length * size);
      const y = new Int32Array(indices.length);
      // Rows below each other are copied at once, so that as little as for the peers' views of tensors is timed.
      for (let at = 0; at < indices.length;) {
        const row = indices[at] ?? 0;
        const first = row % distinct;
        let count = 1;
        while (first + count < distinct && indices[at + count] === row + count) count += 1;
        out.set(x.subarray(first * size, (first + count) * size), at * size);
        for (let one = 0; one < count; one += 1) y[at + one] = (row + one) % classes;
        at += count;
      }
      return { x: out, y };
    },
  };
}

export function synthetic({
  features,
  classes,
}: {
  readonly features: number;
  readonly classes: number;
}): data.RowSource {
  return classified(features, classes);
}

export function syntheticImages({
  side,
  channels,
  classes,
}: {
  readonly side: number;
  readonly channels: number;
  readonly classes: number;
}): data.RowSource {
  return classified(side * side * channels, classes);
}

export function syntheticTokens({
  length,
  vocab,
}: {
  readonly length: number;
  readonly vocab: number;
}): data.RowSource {
  return {
    length: rows,
    read: (indices) => ({
      tokens: Int32Array.from(
        { length: indices.length * length },
        (_, at) => ((at + (indices[0] ?? 0)) * 7919) % vocab,
      ),
    }),
  };
}

export function syntheticSequences({
  length,
  features,
  classes,
}: {
  readonly length: number;
  readonly features: number;
  readonly classes: number;
}): data.RowSource {
  return classified(length * features, classes);
}
