/** What comes off the device is a copy, whatever its size; large ones get large pages where the system has them. */
import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { HostTensor } from '../../src/runtime/engine/engine.js';
import { createNativeEngine } from '../engine-under-test.js';

const MiB = 2 ** 20;

const numbers = (count: number, shift: number): HostTensor => ({
  dtype: 'f32',
  shape: [count],
  values: Float32Array.from({ length: count }, (_value, index) => index + shift),
});

/** Bytes of this process' memory that were marked for large pages: a kernel that knows none has no such mark. */
function marked(): number {
  let size = 0;
  let total = 0;
  for (const line of readFileSync('/proc/self/smaps', 'utf8').split('\n')) {
    const kilobytes = /^Size:\s+(\d+) kB/.exec(line)?.[1];
    if (kilobytes !== undefined) size = Number(kilobytes) * 1024;
    if (/^VmFlags:.* hg\b/.test(line)) total += size;
  }
  return total;
}

test('a download is a copy of every element, and stays as it is', async () => {
  const engine = await createNativeEngine('graph');
  for (const count of [0, 1, 1000, MiB - 1, MiB, MiB + 3, 3 * MiB + 1]) {
    const before = numbers(count, 1);
    const variable = engine.variable(`w${count}`, before);
    const first = await variable.download();
    variable.upload(numbers(count, 2));
    const second = await variable.download();
    expect([first.shape, second.shape]).toEqual([[count], [count]]);
    // Byte by byte: an element that was left out would be 0.
    expect(Buffer.compare(Buffer.from(first.values.buffer), Buffer.from(before.values.buffer))).toBe(0);
    expect(
      Buffer.compare(Buffer.from(second.values.buffer), Buffer.from(numbers(count, 2).values.buffer)),
    ).toBe(0);
    variable.dispose();
  }
  engine.dispose();
});

test('it is made in the memory that it is given, where that has its size', async () => {
  const engine = await createNativeEngine('graph');
  const variable = engine.variable('w', numbers(1000, 1));
  const first = await variable.download();
  const room = first.values.buffer;
  if (!(room instanceof ArrayBuffer)) throw new Error('memory of its own is expected');
  variable.upload(numbers(1000, 2));
  const second = await variable.download(room);
  expect(second.values.buffer).toBe(room);
  expect(second.values).toEqual(numbers(1000, 2).values);
  const third = await variable.download(new ArrayBuffer(996));
  expect(third.values).toEqual(numbers(1000, 2).values);
  expect(third.values.buffer).not.toBe(room);
  variable.dispose();
  engine.dispose();
});

test('a large one gets large pages, a small one does not', async () => {
  const engine = await createNativeEngine('graph');
  const large = engine.variable('large', numbers(16 * MiB, 0));
  const small = engine.variable('small', numbers(MiB / 2, 0));
  const start = marked();
  const kept = [await small.download()];
  expect(marked()).toBe(start);
  kept.push(await large.download());
  const isKnown = existsSync('/sys/kernel/mm/transparent_hugepage/enabled');
  // All but what lies before the first large page and after the last.
  if (isKnown) expect(marked() - start).toBeGreaterThanOrEqual(60 * MiB);
  else expect(marked()).toBe(start);
  expect(kept.map(({ values }) => values.length)).toEqual([MiB / 2, 16 * MiB]);
  large.dispose();
  small.dispose();
  engine.dispose();
});
