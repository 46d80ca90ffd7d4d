/**
 * Ten thousand small training steps: time a step, and that neither tensors nor the process grow. Run: npx esbuild bench/steps.ts --bundle
 * --platform=node --format=esm --packages=external --outfile=dist/bench-steps.mjs && node dist/bench-steps.mjs [steps]
 */
import { createEmbeddedEngine } from '../src/runtime/engine/embedded.js';
import type { HostTensor } from '../src/runtime/engine/engine.js';
import { hostNormal, hostUniform } from '../src/runtime/engine/philox.js';
import * as losses from '../src/runtime/losses/index.js';
import * as ops from '../src/runtime/ops/index.js';
import { ranked, type Scalar, type Tensor2D, type Tensor4D } from '../src/runtime/tensor.js';

const steps = Number(process.argv[2] ?? 10_000);

function values(label: string, shape: readonly number[], deviation: number): HostTensor {
  const count = shape.reduce((product, n) => product * n, 1);
  return { dtype: 'f32', shape, values: hostNormal(1, label, count).map((value) => value * deviation) };
}

async function main(): Promise<void> {
  const engine = await createEmbeddedEngine();
  const conv = engine.variable('conv', values('conv', [3, 3, 1, 4], 0.2));
  const dense = engine.variable('dense', values('dense', [64, 10], 0.1));
  const bias = engine.variable('bias', values('bias', [10], 0));
  const weights = [conv, dense, bias];
  const step = engine.compile('train', ([image, label, lr]) => {
    if (!image || !label || !lr) {
      throw new Error('inputs are missing');
    }
    const { gradients, result } = engine.differentiate(() => {
      const features = ops.relu(
        ops.conv2d(ranked<Tensor4D>(image), ranked(conv.read()), { stride: 2, padding: 'same' }),
      );
      const kept = ops.greaterEqual(ops.uniformLike(features, { draw: 'dropout' }), 0.1);
      const flat = ops.flatten<Tensor2D>(ops.select(kept, features, 0));
      const logits = ops.add<Tensor2D>(ops.matmul(flat, dense.read()), bias.read());
      const loss = ops.mean<Scalar>(losses.softmaxCrossEntropy(logits, label));
      return { objectives: [loss], result: loss };
    }, weights);
    weights.forEach((weight, i) => {
      const gradient = gradients[0]?.[i];
      if (gradient) {
        weight.assign(ops.sub(weight.read(), ops.mul(gradient, lr)));
      }
    });
    return [result];
  });
  const inputs: HostTensor[] = [
    { dtype: 'f32', shape: [16, 8, 8, 1], values: hostUniform(2, 'image', 1024) },
    { dtype: 'i32', shape: [16], values: Int32Array.from({ length: 16 }, (_, i) => i % 10) },
    { dtype: 'f32', shape: [], values: Float32Array.of(0.05) },
  ];
  const start = performance.now();
  let since = start;
  for (let i = 1; i <= steps; i++) {
    const [loss] = await step.run(inputs, { seed: 1, step: i, micro: 0, rowOffset: 0 });
    if (i % Math.ceil(steps / 10) === 0) {
      const now = performance.now();
      const { tensors, bytes } = engine.memory();
      const resident = (process.memoryUsage().rss / 2 ** 20).toFixed(0);
      const each = ((now - since) / Math.ceil(steps / 10)).toFixed(2);
      console.log(
        `step ${i}: ${each} ms a step, ${tensors} tensors, ${bytes} bytes, ${resident} MiB resident, loss ${loss?.values[0]?.toFixed(4)}`,
      );
      since = now;
    }
  }
}

await main();
