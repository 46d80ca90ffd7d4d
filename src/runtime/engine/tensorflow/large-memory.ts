/**
 * Memory for large copies off the device. A new page costs the system more than copying its bytes does, and a large page as much as a
 * small one: with pages of 2 MiB a copy of all weights takes a quarter of the time.
 */
import type { OpenedLibrary } from './foreign-functions.js';

const largePage = 2 ** 21;

/** MADV_HUGEPAGE, from <sys/mman.h> on Linux. */
const useLargePages = 14;

/** What gives memory of so many bytes, zeroed; throws a RangeError where there is none. */
export function largeMemory(libc: OpenedLibrary): (bytes: number) => ArrayBuffer {
  const advise = libc.func('int madvise(void*, size_t, int)');
  // What it returns is the address of the first.
  const move = libc.func('void* memmove(void*, const void*, size_t)');
  return (bytes) => {
    const own = new ArrayBuffer(bytes);
    if (bytes < 2 * largePage) return own;
    const address = move(own, own, 0);
    if (typeof address !== 'bigint') return own;
    const size = BigInt(largePage);
    const first = ((address + size - 1n) / size) * size;
    const end = ((address + BigInt(bytes)) / size) * size;
    // Advice: a system without such pages refuses it, and nothing is lost.
    advise(first, Number(end - first), useLargePages);
    return own;
  };
}
