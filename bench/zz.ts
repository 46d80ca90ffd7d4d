/**
 * One training step of LeNet (batch 64 of 28×28×1, Adam) on the embedded engine: milliseconds a step and for each kernel, and that
 * nothing leaks. Run: npx esbuild bench/lenet.ts --bundle --platform=node --format=esm --packages=external --outfile=dist/bench-lenet.mjs
 * && node dist/bench-lenet.mjs [steps]
 */
import { engine as library } from '@tensorflow/tfjs-core';
import { createEmbeddedEngine } from '../src/runtime/engine/embedded.js';
import type { HostTensor, StateVariable } from '../src/runtime/engine/engine.js';
import { hostNormal, hostUniform } from '../src/runtime/engine/philox.js';
import * as losses from '../src/runtime/losses/index.js';
import * as ops from '../src/runtime/ops/index.js';
import { ranked, type Scalar, type Tensor, type Tensor2D, type Tensor4D } from '../src/runtime/tensor.js';

const batch = 64;
const steps = Number(process.argv[2] ?? 20);

function size(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}

function filled(shape: readonly number[], deviation: number, label: string): HostTensor {
  const values = hostNormal(1, label, size(shape)).map((value) => value * deviation);
  return { dtype: 'f32', shape, values };
}

interface Layer {
  readonly weight: StateVariable;
  readonly bias: StateVariable;
}

async function main(): Promise<void> {
  const engine = await (await import('../src/runtime/engine/choose.js')).chooseEngine({engine: 'tensorflow', compile: process.env.C ?? 'graph'}).then((c: any) => c.engine);
  const layer = (name: string, shape: readonly number[], deviation: number): Layer => ({
    weight: engine.variable(`${name}.weight`, filled(shape, deviation, name)),
    bias: engine.variable(`${name}.bias`, filled(shape.slice(-1), 0, name)),
  });
  const conv1 = layer('conv1', [5, 5, 1, 16], 0.1);
  const conv2 = layer('conv2', [5, 5, 16, 32], 0.05);
  const dense1 = layer('dense1', [1568, 128], 0.03);
  const dense2 = layer('dense2', [128, 10], 0.1);
  const weights = [conv1, conv2, dense1, dense2].flatMap(({ weight, bias }) => [weight, bias]);
  const slots = weights.map(({ path, shape }) => ({
    m: engine.variable(`m/${path}`, filled(shape, 0, path)),
    v: engine.variable(`v/${path}`, filled(shape, 0, path)),
  }));

  const block = (x: Tensor4D, { weight, bias }: Layer): Tensor4D => {
    const convolved = ops.conv2d(x, ranked(weight.read()), { padding: 'same' });
    const active = ops.relu(ops.add<Tensor4D>(convolved, bias.read()));
    return ops.maxPool(active, { size: 2, padding: 'same' });
  };
  const dense = (x: Tensor2D, { weight, bias }: Layer): Tensor2D =>
    ops.add<Tensor2D>(ops.matmul(x, weight.read()), bias.read());

  const step = engine.compile('train', (inputs) => {
    const [image, label, lr] = inputs;
    if (!image || !label || !lr) {
      throw new Error('inputs are missing');
    }
    const { gradients, result } = engine.differentiate(() => {
      const features = ops.flatten<Tensor2D>(block(block(ranked(image), conv1), conv2));
      const logits = dense(ops.relu(dense(features, dense1)), dense2);
      const loss = ops.mean<Scalar>(losses.softmaxCrossEntropy(logits, label));
      return { objectives: [loss], result: loss };
    }, weights);
    weights.forEach((weight, i) => {
      const gradient = gradients[0]?.[i];
      const slot = slots[i];
      if (gradient && slot) {
        const m: Tensor = ops.add(ops.mul(slot.m.read(), 0.9), ops.mul(gradient, 0.1));
        const v: Tensor = ops.add(ops.mul(slot.v.read(), 0.999), ops.mul(ops.square(gradient), 0.001));
        slot.m.assign(m);
        slot.v.assign(v);
        weight.assign(ops.sub(weight.read(), ops.div(ops.mul(m, lr), ops.add(ops.sqrt(v), 1e-7))));
      }
    });
    return [result];
  });

  const inputs: HostTensor[] = [
    { dtype: 'f32', shape: [batch, 28, 28, 1], values: hostUniform(2, 'image', batch * 784) },
    { dtype: 'i32', shape: [batch], values: Int32Array.from({ length: batch }, (_, i) => i % 10) },
    { dtype: 'f32', shape: [], values: Float32Array.of(1e-3) },
  ];
  const run = async (index: number): Promise<number> => {
    const [loss] = await step.run(inputs, { seed: 1, step: index, micro: 0, rowOffset: 0 });
    return loss?.values[0] ?? Number.NaN;
  };
  for (let i = 0; i < 3; i++) {
    await run(i);
  }
  const before = engine.memory();
  const times: number[] = [];
  let loss = 0;
  for (let i = 0; i < steps; i++) {
    const start = performance.now();
    loss = await run(i + 3);
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  const after = engine.memory();
  console.log(`${engine.version}, batch ${batch}, ${steps} steps`);
  console.log(
    `ms a step: least ${times[0]?.toFixed(1)}, median ${times[steps >> 1]?.toFixed(1)}; loss ${loss.toFixed(4)}`,
  );
  console.log(`tensors ${before.tensors} → ${after.tensors}, bytes ${before.bytes} → ${after.bytes}`);
  await perKernel(() => run(steps + 3));
}

/** Time by outermost kernel, from the library's own profile of one step. */
async function perKernel(run: () => Promise<number>): Promise<void> {
  const profile = await library().profile(async () =>
    ranked<Scalar>(library().makeTensor(Float32Array.of(await run()), [], 'float32')),
  );
  const byName = new Map<string, { calls: number; milliseconds: number }>();
  for (const { name, kernelTimeMs } of profile.kernels) {
    const so = byName.get(name) ?? { calls: 0, milliseconds: 0 };
    const took = Number(await kernelTimeMs);
    byName.set(name, { calls: so.calls + 1, milliseconds: so.milliseconds + took });
  }
  const rows = [...byName].sort(([, a], [, b]) => b.milliseconds - a.milliseconds).slice(0, 16);
  for (const [name, { calls, milliseconds }] of rows) {
    console.log(`${milliseconds.toFixed(2).padStart(8)} ms  ${String(calls).padStart(3)} × ${name}`);
  }
}

await main();
