/**
 * Saves or reads one checkpoint and says how long that took and how much memory: a process of its own for each, so that none profits
 * from what another left. `plain` reads the same tensors in the same way without checksums.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HostTensor } from '../src/runtime/engine/engine.js';
import { openCheckpoint, readAllTensors, readState } from '../src/runtime/checkpoint/read.js';
import { inDataOrder, openTensorFile } from '../src/runtime/checkpoint/tensor-file.js';
import { writeCheckpoint } from '../src/runtime/checkpoint/write.js';

interface Order {
  readonly does: 'write' | 'read' | 'plain';
  /** Where the checkpoint goes; for `read` and `plain`, the checkpoint. */
  readonly folder: string;
  /** A file of random bytes, which become weights: as many as it has for the model, twice as many for the optimizer. */
  readonly values: string;
}

const { does, folder, values }: Order = JSON.parse(process.argv[2] ?? '{}');

/** 16 large tensors, as layers have them, and 512 small ones, each three times: a weight and its two slots. */
function state(): { model: Map<string, HostTensor>; optimizer: Map<string, HostTensor> } {
  const bytes = readFileSync(values);
  const all = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const small = 256;
  const large = Math.floor((all.length - 512 * small) / 16);
  const model = new Map<string, HostTensor>();
  const optimizer = new Map<string, HostTensor>();
  let from = 0;
  for (let index = 0; index < 528; index += 1) {
    const size = index < 16 ? large : small;
    const name = `Net.layers.${index}.weight`;
    const own = all.subarray(from, from + size);
    from += size;
    model.set(name, { dtype: 'f32', shape: [size], values: own });
    for (const slot of ['m', 'v'])
      optimizer.set(`opt/${slot}/${name}`, { dtype: 'f32', shape: [size], values: own.slice() });
  }
  return { model, optimizer };
}

function resident(field: 'VmRSS' | 'VmHWM'): number {
  const found = new RegExp(`${field}:\\s+(\\d+) kB`).exec(readFileSync('/proc/self/status', 'utf8'));
  return Number(found?.[1] ?? Number.NaN) * 1024;
}

/** What `work` takes in milliseconds, and by how much memory grows meanwhile. */
async function timed(work: () => Promise<unknown>): Promise<void> {
  // The mark of the most memory begins anew.
  writeFileSync('/proc/self/clear_refs', '5');
  const before = resident('VmRSS');
  const began = performance.now();
  const kept = await work();
  const ms = performance.now() - began;
  console.log(JSON.stringify({ ms, grown: resident('VmHWM') - before, kept: typeof kept }));
}

async function plain(path: string): Promise<readonly (HostTensor | null)[]> {
  const file = await openTensorFile(path, null);
  const read = [];
  try {
    for await (const some of file.each(inDataOrder(file.entries), () => true, true))
      read.push(...some.map(({ tensor }) => tensor));
    return read;
  } finally {
    await file.close();
  }
}

const tensorFiles = ['model.safetensors', 'optimizer.safetensors'] as const;
switch (does) {
  case 'write': {
    const spec = { name: 'bench', trainer: 'Bench', sha256: '', language: 1, compiler: '0', files: [] };
    const head = { spec, params: {}, engine: 'none', seed: 0 };
    const taken = state();
    await timed(() => writeCheckpoint(folder, { head, step: 1, epoch: 0, ...taken, state: { step: 1 } }));
    break;
  }
  case 'read':
    await timed(async () => {
      const checkpoint = await openCheckpoint(folder);
      return [await readAllTensors(checkpoint), await readState(checkpoint)];
    });
    break;
  case 'plain':
    await timed(async () => {
      const checkpoint = await openCheckpoint(folder);
      const read = await Promise.all(tensorFiles.map((name) => plain(join(folder, name))));
      return [...read, await readState(checkpoint)];
    });
    break;
}
