/**
 * Checksums of what a checkpoint holds. Texts and headers, which are short, have SHA-256; tensors have XXH64
 * (https://github.com/Cyan4973/xxHash, "XXH64 algorithm description", seed 0), which notices damage as surely and takes a quarter of the time. Neither
 * says who wrote a file: whoever can write tensors can write their checksums.
 */
import { createHash } from 'node:crypto';
import xxhash from 'xxhash-wasm';

export type ChecksumKind = 'sha256' | 'xxh64';

/** How many hexadecimal digits a checksum has. */
export const digitsIn: Readonly<Record<ChecksumKind, number>> = { sha256: 64, xxh64: 16 };

/** A checksum in hexadecimal digits. */
export interface Checksum {
  readonly kind: ChecksumKind;
  readonly digits: string;
}

export const sameChecksum = (a: Checksum, b: Checksum): boolean => a.kind === b.kind && a.digits === b.digits;

/** A checksum in the making: of all bytes that it was told of. */
export interface Summing {
  update(bytes: Uint8Array): void;
  end(): Checksum;
}

/** Makes checksums of one kind, any number of them, also beside each other. */
export interface Checksums {
  /** Of what comes in pieces. */
  begin(): Summing;
  /** Of what is there at once. */
  of(bytes: Uint8Array): Checksum;
}

/** So many bytes are copied to where they are hashed at once: few enough to be in the processor's cache still. */
const turnBytes = 2 ** 16;

let loading: Promise<Checksums> | null = null;

export async function checksums(kind: ChecksumKind): Promise<Checksums> {
  return kind === 'sha256' ? sha256Sums : (loading ??= xxh64Sums());
}

async function xxh64Sums(): Promise<Checksums> {
  const { create64, h64Raw } = await xxhash();
  const ended = (sum: bigint): Checksum => ({
    kind: 'xxh64',
    digits: sum.toString(16).padStart(digitsIn.xxh64, '0'),
  });
  const begin = (): Summing => {
    const hash = create64();
    return {
      update: (bytes) => {
        for (let from = 0; from < bytes.length; from += turnBytes)
          hash.update(bytes.subarray(from, from + turnBytes));
      },
      end: () => ended(hash.digest()),
    };
  };
  // A sum in pieces keeps its state outside of WebAssembly's memory, which most of a small tensor's time would go to.
  const of = (bytes: Uint8Array): Checksum =>
    bytes.length <= turnBytes ? ended(h64Raw(bytes)) : summed(begin(), bytes);
  return { begin, of };
}

function summed(sum: Summing, bytes: Uint8Array): Checksum {
  sum.update(bytes);
  return sum.end();
}

function sha256Sum(): Summing {
  const hash = createHash('sha256');
  return {
    update: (bytes) => void hash.update(bytes),
    end: () => ({ kind: 'sha256', digits: hash.digest('hex') }),
  };
}

/** Those of SHA-256. */
export const sha256Sums: Checksums = { begin: sha256Sum, of: (bytes) => summed(sha256Sum(), bytes) };
