/**
 * The data source that language-model.ztrain declares: the bytes of a text file in windows. What a source gives is random access to
 * rows; ztrain shuffles them, makes batches of them and checks their sizes.
 */
import { readFile } from 'node:fs/promises';
import type { data } from 'ztrain/runtime';

export interface TokenWindowsOptions {
  /** A file of bytes, each of which is a token. The path arrives resolved. */
  readonly file: string;
  /** Tokens in a window, at least 2. */
  readonly length: number;
}

/** Windows of `length` tokens; the last token of one is the first of the next, so that each is guessed once. */
export async function tokenWindows({ file, length }: TokenWindowsOptions): Promise<data.RowSource> {
  const tokens = await readFile(file);
  const stride = length - 1;
  const windows = Math.floor((tokens.length - 1) / stride);
  if (windows < 1) throw new Error(`${file} has ${tokens.length} bytes, a window needs ${length}`);
  return {
    length: windows,
    read(indices) {
      const out = new Int32Array(indices.length * length);
      indices.forEach((window, i) =>
        out.set(tokens.subarray(window * stride, window * stride + length), i * length),
      );
      return { tokens: out };
    },
  };
}
