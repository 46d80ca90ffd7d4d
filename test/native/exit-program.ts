/** A process that uses the native engine and ends as its first argument says. Bundled and started by `exit.test.ts`. */
import { fileURLToPath } from 'node:url';
import { isMainThread, Worker } from 'node:worker_threads';
import { libraryIn } from '../../src/runtime/engine/tensorflow/library-files.js';
import { createTensorFlowEngine } from '../../src/runtime/engine/tensorflow/tensorflow-engine.js';
import * as ops from '../../src/runtime/ops/index.js';

const ending = process.argv[2] ?? '';
const files = libraryIn(process.env['ZTRAIN_TENSORFLOW'] ?? '');
if (files === null) throw new Error('no library');

async function use(compile: 'graph' | 'xla'): Promise<number> {
  if (files === null) throw new Error('no library');
  const engine = await createTensorFlowEngine({ files, compile });
  const total = engine.variable('total', { dtype: 'f32', shape: [2], values: Float32Array.of(1, 2) });
  const step = engine.compile('sum', () => [ops.sum(ops.mul(total.read(), 2))]);
  const [sum] = await step.run([], { seed: 1, step: 0, micro: 0, rowOffset: 0 });
  if (ending === 'disposed') {
    step.dispose();
    engine.dispose();
  }
  return sum?.values[0] ?? Number.NaN;
}

console.log(await use(ending === 'xla' ? 'xla' : 'graph'));
if (isMainThread) {
  switch (ending) {
    case 'throw':
      throw new Error('thrown on purpose');
    case 'later':
      setTimeout(() => {
        throw new Error('thrown on purpose');
      }, 1);
      break;
    case 'reject':
      void Promise.reject(new Error('rejected on purpose'));
      break;
    case 'exit':
      process.exit(7);
      break;
    case 'wait':
      setInterval(() => undefined, 1000);
      console.log('waiting');
      break;
    case 'worker':
    case 'terminate': {
      const worker = new Worker(fileURLToPath(import.meta.url), { argv: [ending] });
      worker.on('exit', (code) => console.log(`worker ${code}`));
      // A worker that has used the library, ended while it holds it.
      if (ending === 'terminate') setTimeout(() => void worker.terminate(), 2000);
      break;
    }
    default:
  }
} else if (ending === 'terminate') {
  setInterval(() => undefined, 1000);
}
