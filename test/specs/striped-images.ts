/** Images that a small network learns in seconds, in the IDX files that Fashion-MNIST comes in. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const side = 28;

/** 5 widths of stripes, each upright and lying, at any offset: a class is a texture. With noise. */
const pixel = (kind: number, offset: number, x: number, y: number, noise: number): number => {
  const width = 2 + (kind % 5);
  const along = kind < 5 ? x : y;
  const bright = Math.floor((along + offset) / width) % 2 === 0;
  return Math.round((bright ? 150 : 30) + 75 * noise);
};

/** Numbers in [0, 1) that are the same everywhere. */
const noiseFrom = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
};

const idx = (shape: readonly number[], values: Uint8Array): Buffer => {
  const header = Buffer.alloc(4 + 4 * shape.length);
  header.writeUInt32BE(0x800 + shape.length);
  shape.forEach((size, axis) => header.writeUInt32BE(size, 4 + 4 * axis));
  return gzipSync(Buffer.concat([header, values]), { level: 1 });
};

/** Writes both files of a split into `folder`. */
const writeSplit = (folder: string, split: 'train' | 't10k', rows: number): void => {
  const next = noiseFrom(rows);
  const labels = Uint8Array.from({ length: rows }, (_, row) => row % 10);
  const images = new Uint8Array(rows * side * side);
  for (const [row, label] of labels.entries()) {
    const offset = Math.floor(next() * 12);
    for (let at = 0; at < side * side; at++) {
      images[row * side * side + at] = pixel(label, offset, at % side, Math.floor(at / side), next());
    }
  }
  writeFileSync(join(folder, `${split}-images-idx3-ubyte.gz`), idx([rows, side, side], images));
  writeFileSync(join(folder, `${split}-labels-idx1-ubyte.gz`), idx([rows], labels));
};

export const writeStripes = (
  folder: string,
  rows: { readonly train: number; readonly test: number },
): void => {
  mkdirSync(folder, { recursive: true });
  writeSplit(folder, 'train', rows.train);
  writeSplit(folder, 't10k', rows.test);
};
