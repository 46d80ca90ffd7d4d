/** Whether a library works, found out by using it. A damaged one may end the process: this is for a process of its own. */
import { openLibrary } from './c-api.js';
import { tf } from './element-types.js';
import type { LibraryFiles } from './library-files.js';
import { TensorFlow } from './runtime.js';

export interface Probed {
  readonly version: string;
  /** As TensorFlow writes them, e.g. `/job:localhost/replica:0/task:0/device:CPU:0`. */
  readonly devices: readonly string[];
  /** From nothing to a context with its devices. */
  readonly openMs: number;
  /** The first product, which includes starting threads, or a GPU's library. */
  readonly productMs: number;
}

const size = 256;

/** Small whole numbers: their products and sums are exact in f32, whatever the order. */
const element = (row: number, column: number): number => ((row * 7 + column * 3) % 11) - 5;

const matrix = (): Float32Array =>
  Float32Array.from({ length: size * size }, (_, at) => element(Math.floor(at / size), at % size));

/** Opens the library, lists its devices and checks a product of two matrices. Rejects where something is wrong. */
export async function probe(files: LibraryFiles): Promise<Probed> {
  const start = performance.now();
  const tensorflow = new TensorFlow(await openLibrary(files));
  const opened = performance.now();
  const factor = tensorflow.constant(tf.f32, [size, size], matrix());
  const [product] = tensorflow.op('MatMul', [factor, factor]);
  if (product === undefined) throw new Error('MatMul gave no result');
  const got = new Float32Array(tensorflow.download(product));
  const end = performance.now();
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      let sum = 0;
      for (let i = 0; i < size; i++) sum += element(row, i) * element(i, column);
      const at = got[row * size + column];
      if (at !== sum)
        throw new Error(`a product of matrices is wrong: ${at} at [${row}, ${column}], not ${sum}`);
    }
  }
  return {
    version: tensorflow.library.version,
    devices: tensorflow.devices.map(({ name }) => name),
    openMs: opened - start,
    productMs: end - opened,
  };
}
