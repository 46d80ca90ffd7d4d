/** Reads parts of a file in order, and the next bytes while somebody works on those that have arrived. */
import type { FileHandle } from 'node:fs/promises';
import { SafetensorsError } from './safetensors.js';

/** At most so many bytes are read at once: few enough to be in the processor's cache still when they are hashed. */
export const readBytes = 2 ** 21;

/** So many reads are under way: a disk is fast only where it knows what comes next. */
const readsAtOnce = 4;

/** Bytes of a file that belong together. */
export interface Part {
  /** Its first byte in the file, and the one after its last. */
  readonly begin: number;
  readonly end: number;
  /** The memory that its bytes go to, asked for when they are about to be read; null where they are only looked at. */
  room(): Uint8Array<ArrayBuffer> | null;
}

/** Bytes of a part that have arrived. */
export interface Arrived<P extends Part> {
  readonly part: P;
  /** What the part's `room` gave. */
  readonly memory: Uint8Array<ArrayBuffer> | null;
  /** Only until the next ones are asked for. */
  readonly bytes: Uint8Array;
  /** Whether they are the first of the part. */
  readonly isFirst: boolean;
  /** Whether they are the last of the part, which is in its memory now. */
  readonly isLast: boolean;
}

/** Bytes of one part that one read brings. */
interface Slice<P extends Part> {
  readonly part: P;
  readonly memory: Uint8Array<ArrayBuffer> | null;
  /** Its first byte in the part. */
  readonly from: number;
  readonly count: number;
}

/** A read that is under way. */
interface Reading<P extends Part> {
  readonly slices: readonly Slice<P>[];
  readonly bytes: Uint8Array;
  /** Whether the bytes are the part's own memory; else the memory is used again. */
  readonly isDirect: boolean;
  readonly done: Promise<void>;
}

/**
 * The bytes of all parts, one after the other, at most `most` at once: what one read has brought comes together, for a promise each would
 * take longer than a small part's bytes do. Whoever stops early has to let the generator return before the file is closed, as `for await`
 * does. Rejects with a SafetensorsError where the file ends too soon, with the system's error where it cannot be read.
 */
export async function* readAhead<P extends Part>(
  file: FileHandle,
  parts: readonly P[],
  most = readBytes,
): AsyncGenerator<readonly Arrived<P>[], void, void> {
  const queue: Reading<P>[] = [];
  const unused: Uint8Array[] = [];
  const plan = readsOf(parts, most);
  const begin = (): void => {
    while (queue.length < readsAtOnce) {
      const { value: slices } = plan.next();
      if (slices === undefined) return;
      queue.push(start(file, slices, () => unused.pop() ?? new Uint8Array(most)));
    }
  };
  try {
    for (;;) {
      begin();
      const reading = queue.shift();
      if (reading === undefined) return;
      await reading.done;
      begin();
      let at = 0;
      yield reading.slices.map(({ part, memory, from, count }) => {
        const bytes = reading.bytes.subarray(at, at + count);
        at += count;
        if (!reading.isDirect) memory?.set(bytes, from);
        return { part, memory, bytes, isFirst: from === 0, isLast: from + count === part.end - part.begin };
      });
      if (!reading.isDirect) unused.push(reading.bytes);
    }
  } finally {
    // Until then they write into memory, and the file must not be closed.
    await Promise.allSettled(queue.map(({ done }) => done));
  }
}

function start<P extends Part>(
  file: FileHandle,
  slices: readonly Slice<P>[],
  scratch: () => Uint8Array,
): Reading<P> {
  const [first] = slices;
  if (first === undefined) throw new Error('a read needs something to read');
  const count = slices.reduce((sum, slice) => sum + slice.count, 0);
  const direct = slices.length === 1 ? first.memory : null;
  const bytes = direct?.subarray(first.from, first.from + count) ?? scratch();
  const done = fill(file, bytes.subarray(0, count), first.part.begin + first.from);
  // It may fail before anybody waits for it.
  done.catch(() => undefined);
  return { slices, bytes, isDirect: direct !== null, done };
}

/** What to read at once: large parts piece by piece, small ones that are neighbours together. */
function* readsOf<P extends Part>(
  parts: readonly P[],
  most: number,
): Generator<readonly Slice<P>[], undefined, void> {
  let group: Slice<P>[] = [];
  let grouped = 0;
  let end = 0;
  for (const part of parts) {
    const size = part.end - part.begin;
    let memory: Uint8Array<ArrayBuffer> | null | undefined;
    let from = 0;
    do {
      const count = Math.min(most, size - from);
      if (group.length > 0 && (part.begin + from !== end || grouped + count > most)) {
        yield group;
        group = [];
        grouped = 0;
      }
      if (memory === undefined) memory = part.room();
      group.push({ part, memory, from, count });
      from += count;
      grouped += count;
      end = part.begin + from;
    } while (from < size);
  }
  if (group.length > 0) yield group;
  return undefined;
}

/** Reads on until all bytes are there: a read may give less than it was asked for. */
export async function fill(file: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let from = 0; from < bytes.length;) {
    const { bytesRead } = await file.read(bytes, from, bytes.length - from, at + from);
    if (bytesRead === 0) throw new SafetensorsError(`it ends at byte ${at + from}; it was cut off`);
    from += bytesRead;
  }
}
