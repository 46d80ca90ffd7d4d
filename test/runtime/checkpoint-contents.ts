/** A small checkpoint, for tests of files. */
import type { CheckpointContents, CheckpointLayout } from '../../src/runtime/checkpoint/write.js';
import type { HostTensor } from '../../src/runtime/engine/engine.js';

/** Also what is no ordinary number: all bits must come back. */
export const weights: ReadonlyMap<string, HostTensor> = new Map([
  ['M.a.weight', { dtype: 'f32', shape: [2, 2], values: Float32Array.of(1, -0, Number.NaN, 1e-45) }],
  ['M.a.bias', { dtype: 'f32', shape: [2], values: Float32Array.of(3, 4) }],
]);

export const contents = (step: number, layout: CheckpointLayout = 'folder'): CheckpointContents => ({
  head: {
    spec: {
      name: 's',
      trainer: 'T',
      sha256: 'abc',
      language: 1,
      compiler: '0',
      files: [{ path: 'a', text: 'b' }],
    },
    params: { lr: 0.1 },
    engine: 'e',
    seed: 1,
  },
  step,
  epoch: 1,
  model: weights,
  optimizer: new Map([['opt/count', { dtype: 'f32', shape: [], values: Float32Array.of(step) }]]),
  state: { step },
  layout,
});

export const layouts: readonly CheckpointLayout[] = ['folder', 'ckpt'];
